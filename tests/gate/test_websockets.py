"""WebSockets through the gate: order, kinds, sizes, close codes, deaths."""

import asyncio

import aiohttp
import psutil
from aiohttp import WSMsgType

from support.gate_process import Browser, GateProcess
from support.notebook_double import MIB

KERNEL = "api/kernels/k/channels?session_id=s"


async def test_a_thousand_messages_keep_their_order(ada: Browser) -> None:
    async with ada.socket(KERNEL, protocols=["v1.kernel.websocket.jupyter.org"]) as socket:
        assert socket.protocol == "v1.kernel.websocket.jupyter.org"

        async def send() -> None:
            for number in range(1000):
                if number % 2:
                    await socket.send_str(f"{number}:" + "x" * (number % 300))
                else:
                    await socket.send_bytes(f"{number}:".encode() + bytes(number * 7 % 3000))

        sending = asyncio.create_task(send())
        for number in range(1000):
            message = await socket.receive(timeout=10)
            assert message.type is (WSMsgType.TEXT if number % 2 else WSMsgType.BINARY)
            text = message.data if number % 2 else message.data.decode()
            assert text.startswith(f"{number}:")
        await sending


async def test_a_large_message_costs_the_gate_no_memory(gate: GateProcess, ada: Browser) -> None:
    memory = psutil.Process(gate.process.pid).memory_info
    before = memory().rss
    async with ada.socket(KERNEL) as socket:
        await socket.send_bytes(bytes(64 * MIB))
        assert len(await socket.receive_bytes(timeout=20)) == 64 * MIB
    assert memory().rss - before < 16 * MIB


async def test_close_codes_pass_both_ways(gate: GateProcess, ada: Browser) -> None:
    async with ada.socket(KERNEL) as socket:
        await socket.send_str("close me")
        message = await socket.receive(timeout=5)
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4321, "as you wish")
    await gate.notebook.sockets_closed.get()
    async with ada.socket(KERNEL) as socket:
        await socket.close(code=4999)
    async with asyncio.timeout(5):
        assert await gate.notebook.sockets_closed.get() == 4999


async def test_pings_pass(ada: Browser) -> None:
    async with ada.socket(KERNEL, autoping=False) as socket:
        await socket.ping(b"there?")
        message = await socket.receive(timeout=5)
        assert (message.type, message.data) == (WSMsgType.PONG, b"there?")


async def test_a_notebook_that_dies_closes_the_socket_abnormally(ada: Browser) -> None:
    async with ada.socket(KERNEL) as socket:
        await socket.send_str("die")
        await socket.receive(timeout=5)
        assert socket.close_code == 1006


async def test_what_was_sent_before_leaving_still_arrives(gate: GateProcess, ada: Browser) -> None:
    async with ada.socket(KERNEL) as socket:
        await socket.send_bytes(bytes(4 * MIB))
        await socket.close(code=4001)
    async with asyncio.timeout(5):
        assert await gate.notebook.sockets_closed.get() == 4001


async def test_a_refusal_of_the_notebook_is_told(gate: GateProcess, ada: Browser) -> None:
    try:
        await ada.socket("api/nothing/here")
    except aiohttp.WSServerHandshakeError as error:
        assert error.status == 502  # the double answers 200 to a handshake
    else:
        raise AssertionError("a WebSocket where there is none")


async def test_the_notebook_learns_who_it_is(gate: GateProcess, ada: Browser) -> None:
    async with ada.socket("terminals/websocket/1", headers={"X-Forwarded-User": "root"}) as socket:
        await socket.send_str("x")
        await socket.receive_str(timeout=5)
    seen = gate.notebook.last()["headers"]
    assert seen["x-forwarded-user"] == "ada"
    assert "hubernate" not in seen.get("cookie", "") and "_xsrf" not in seen.get("cookie", "")


async def test_closed_sockets_leave_nothing_behind(gate: GateProcess, ada: Browser) -> None:
    process = psutil.Process(gate.process.pid)
    for _ in range(3):
        sockets = [await ada.socket(KERNEL) for _ in range(20)]
        await asyncio.gather(*(socket.close() for socket in sockets))
        abrupt = await ada.socket(KERNEL)
        abrupt._response.connection.transport.abort()
    await asyncio.sleep(0.5)
    open_now = [each for each in process.net_connections() if each.status != "LISTEN"]
    assert len(open_now) <= 4, open_now


async def test_a_tab_that_reconnects_for_days_costs_no_memory(gate: GateProcess, ada: Browser) -> None:
    async def reconnect(times: int) -> int:
        for _ in range(times):
            async with ada.socket(KERNEL):
                pass
        return int(psutil.Process(gate.process.pid).memory_info().rss)

    before = await reconnect(200)
    assert await reconnect(400) - before < 2 * MIB

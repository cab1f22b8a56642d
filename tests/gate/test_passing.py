"""Bodies through the gate: streamed, of any size, complete or visibly broken."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest

from support.gate_process import Browser, GateProcess
from support.notebook_double import MIB

BIG = 100
GROWTH_MAX = 24 * MIB


async def test_a_download_of_100_mb_is_streamed(gate: GateProcess, ada: Browser) -> None:
    memory = psutil.Process(gate.process.pid).memory_info
    before, peak, size, digest = memory().rss, 0, 0, hashlib.sha256()
    async with ada.get(f"download/{BIG}") as answer:
        async for part in answer.content.iter_any():
            size += len(part)
            digest.update(part)
            peak = max(peak, memory().rss) if size % 16 == 0 else peak
    peak = max(peak, memory().rss)
    expected = hashlib.sha256(b"".join(bytes([number % 256]) * MIB for number in range(BIG)))
    assert (size, digest.hexdigest()) == (BIG * MIB, expected.hexdigest())
    assert peak - before < GROWTH_MAX


async def test_a_download_that_nobody_reads_stays_at_the_notebook(gate: GateProcess, ada: Browser) -> None:
    memory = psutil.Process(gate.process.pid).memory_info
    before = memory().rss
    async with ada.get(f"download/{BIG}") as answer:
        await answer.content.readexactly(10)
        await asyncio.sleep(1)
        assert memory().rss - before < GROWTH_MAX


@pytest.mark.parametrize("counted", [True, False], ids=["content-length", "chunked"])
async def test_an_upload_of_100_mb_is_streamed(gate: GateProcess, ada: Browser, counted: bool) -> None:
    memory = psutil.Process(gate.process.pid).memory_info
    before, peak, digest = memory().rss, 0, hashlib.sha256()

    async def parts() -> AsyncIterator[bytes]:
        nonlocal peak
        for number in range(BIG):
            digest.update(part := bytes([number]) * MIB)
            yield part
            peak = max(peak, memory().rss)

    headers = {"Content-Length": str(BIG * MIB)} if counted else {}
    async with ada.post("upload", data=parts(), headers=headers) as answer:
        assert await answer.json() == {"bytes": BIG * MIB, "sha256": digest.hexdigest()}
    assert peak - before < GROWTH_MAX


@pytest.mark.parametrize("tail", ["die-chunked", "die-counted"])
async def test_an_answer_that_breaks_off_does_not_look_complete(gate: GateProcess, ada: Browser, tail: str) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with ada.get(tail) as answer:
            assert answer.status == 200
            await answer.read()
    await gate.said("broke off")
    async with ada.get("lab") as answer:
        assert answer.status == 200, "the gate goes on"


async def test_a_small_answer_that_breaks_off_becomes_an_error(ada: Browser) -> None:
    async with ada.get("die-small") as answer:
        assert answer.status == 503


async def test_events_arrive_when_they_are_sent(ada: Browser) -> None:
    async with asyncio.timeout(3), ada.get("events") as answer:
        assert await answer.content.readline() == b"data: first\n"


async def test_a_client_that_leaves_takes_its_request_along(gate: GateProcess, ada: Browser) -> None:
    answer = await ada.get("events")
    await answer.content.readline()
    notebook = [each for each in psutil.Process(gate.process.pid).net_connections() if each.status == "ESTABLISHED"]
    answer.close()
    await asyncio.sleep(0.3)
    left = [each for each in psutil.Process(gate.process.pid).net_connections() if each.status == "ESTABLISHED"]
    assert len(left) <= len(notebook) - 2, "its connection and the one to the notebook are closed"


async def test_head_keeps_the_length(gate: GateProcess, ada: Browser) -> None:
    async with ada.http.head(gate.url + "download/1") as answer:
        assert answer.headers["Content-Length"] == str(MIB)


async def test_expect_continue(gate: GateProcess, ada: Browser) -> None:
    head = (
        f"POST /user/ada/upload HTTP/1.1\r\nHost: 127.0.0.1:{gate.port}\r\nCookie: {ada.cookies}\r\n"
        f"X-XSRFToken: {ada.cookie('_xsrf')}\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(head.encode())
    async with asyncio.timeout(3):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert b'"bytes": 3' in await reader.read()
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(head.replace(ada.cookie("_xsrf"), "x" * 43).encode())
    async with asyncio.timeout(3):
        assert b" 403 " in await reader.readline(), "nobody is asked to send what is refused anyway"
    writer.close()


async def test_compressed_bodies_are_left_alone(gate: GateProcess, ada: Browser) -> None:
    async with ada.post("upload", data=b"not gzip at all", headers={"Content-Encoding": "gzip"}) as answer:
        assert (await answer.json())["bytes"] == 15

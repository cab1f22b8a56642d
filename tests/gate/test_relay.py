"""The notebook's way to the platform service: one corner of its API, with a token that user code never sees."""

import asyncio

import aiohttp
import pytest

from support.gate_process import GateProcess, raw
from support.hub_double import RELAY_TOKEN


def relay(gate: GateProcess, path: str) -> str:
    return f"http://127.0.0.1:{gate.relay_port}{path}"


async def test_the_relay_adds_its_token_and_takes_away_the_callers(gate: GateProcess) -> None:
    headers = {"Authorization": "Bearer mine", "Cookie": "a=b", "X-Forwarded-User": "root", "X-Kept": "1"}
    url = relay(gate, "/api/v1/relay/jobs?x=1")
    async with aiohttp.ClientSession() as http, http.post(url, json={"a": 1}, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"seen": True})
    seen = gate.hub.relayed[-1]
    assert seen["path"] == "/services/hubernate/api/v1/relay/jobs?x=1" and seen["body"] == '{"a": 1}'
    assert seen["headers"]["Authorization"] == f"Bearer {RELAY_TOKEN}"
    assert seen["headers"]["X-Kept"] == "1"
    assert "Cookie" not in seen["headers"] and "X-Forwarded-User" not in seen["headers"]


ELSEWHERE = (
    "/",
    "/api/v1/relay",
    "/api/v1/relay/",
    "/api/v1/gate/activity",
    "/api/v1/agent/poll",
    "/hub/api/user",
    "/api/v1/relay/../gate/activity",
    "/api/v1/relay/%2e%2e/agent/poll",
    "/api/v1/relay/..%2fagent/poll",
    "/api/v1/relay/%252e%252e/agent/poll",
    "//api/v1/relay/x",
    "/api/v1/relay//x",
    "/api/v1/relayed/x",
    "http://127.0.0.1/api/v1/relay/x",
    "/user/ada/api",
)


async def test_everything_else_is_not_there(gate: GateProcess) -> None:
    for path in ELSEWHERE:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        status, _, _ = await raw(gate.relay_port, request)
        assert status == 404, path
    assert gate.hub.relayed == []


async def test_no_websocket_through_the_relay(gate: GateProcess) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(relay(gate, "/api/v1/relay/x"))
    assert refused.value.status == 404


async def test_the_relay_says_when_the_service_is_gone(gate: GateProcess) -> None:
    gate.rewrite(service_url="http://127.0.0.1:9/services/hubernate")
    gate.process.send_signal(1)
    await gate.said("settings read again")
    async with aiohttp.ClientSession() as http, http.get(relay(gate, "/api/v1/relay/x")) as answer:
        assert answer.status == 503 and "platform service" in (await answer.json())["message"]


async def test_the_relay_is_not_reachable_through_the_gate(gate: GateProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"GET /api/v1/relay/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b" 404 " in await reader.readline()
    writer.close()

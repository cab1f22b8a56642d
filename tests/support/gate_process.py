"""A gate as a process of its own between the doubles, and a browser that logs in through it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from support.hub_double import ACCESS, CLIENT_ID, HUB_TOKEN, RELAY_TOKEN, HubDouble
from support.notebook_double import PREFIX, NotebookDouble

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


@dataclass
class GateProcess:
    """A running gate. `lines` is its log so far."""

    process: asyncio.subprocess.Process
    file: Path
    config: dict[str, Any]
    port: int = 0
    relay_port: int = 0
    lines: list[str] = field(default_factory=list)
    hub: HubDouble = field(default_factory=HubDouble)
    notebook: NotebookDouble = field(default_factory=NotebookDouble)

    @property
    def url(self) -> str:
        """Address of the notebook's prefix through the gate."""
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def rewrite(self, **changes: Any) -> None:
        """Write its file anew."""
        self.config |= changes
        write_private(self.file, json.dumps(self.config))

    async def said(self, message: str, *, times: int = 1) -> None:
        """Wait until it has logged `message`."""
        async with asyncio.timeout(10):
            while sum(message in line for line in self.lines) < times:  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.02)


class Browser:
    """One person's browser at one gate: keeps cookies, does what JupyterLab does with ``_xsrf``."""

    def __init__(self, gate: GateProcess) -> None:
        self.gate = gate
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), auto_decompress=False)

    async def login(self, name: str = "ada", page: str = "lab") -> aiohttp.ClientResponse:
        """Open `page`, log in at the hub as `name`, come back: the first answer of the notebook itself."""
        async with self.get(page, headers=NAVIGATE) as first:
            assert first.status == 302, await first.text()
            question = dict(parse_qsl(urlsplit(first.headers["Location"]).query))
        back = self.gate.hub.authorize(name, question)
        async with self.http.get(self.at(back), allow_redirects=False) as second:
            assert second.status == 302, await second.text()
            after = second.headers["Location"]
        return await self.http.get(self.at(after), headers=NAVIGATE, allow_redirects=False)

    def at(self, path: str) -> str:
        """A path of this origin as a URL."""
        return f"http://127.0.0.1:{self.gate.port}{path}"

    def get(self, tail: str, **more: Any) -> Any:
        """GET below the prefix, redirects shown."""
        return self.http.get(self.gate.url + tail, allow_redirects=False, **more)

    def post(self, tail: str, *, xsrf: bool = True, headers: dict[str, str] | None = None, **more: Any) -> Any:
        """POST below the prefix as a page's script does, by default with the XSRF header."""
        headers = dict(headers or {})
        if xsrf:
            headers["X-XSRFToken"] = self.cookie("_xsrf")
        return self.http.post(self.gate.url + tail, headers=headers, allow_redirects=False, **more)

    def socket(self, tail: str, **more: Any) -> Any:
        """Open a WebSocket below the prefix from one of its own pages."""
        origin = more.pop("origin", f"http://127.0.0.1:{self.gate.port}")
        return self.http.ws_connect(self.gate.url + tail, origin=origin, max_msg_size=0, **more)

    def cookie(self, name: str) -> str:
        """A cookie's value; empty when there is none."""
        return next((each.value for each in self.http.cookie_jar if each.key == name), "")

    @property
    def cookies(self) -> str:
        """The ``Cookie`` header it would send."""
        return "; ".join(f"{each.key}={each.value}" for each in self.http.cookie_jar)


@contextlib.asynccontextmanager
async def browser(gate: GateProcess) -> AsyncIterator[Browser]:
    """A fresh browser."""
    made = Browser(gate)
    try:
        yield made
    finally:
        await made.http.close()


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[int]:
    """Serve `app` on a free loopback port."""
    runner = web.AppRunner(app, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


@contextlib.asynccontextmanager
async def running_gate(
    folder: Path, config: dict[str, Any], command: Sequence[str] = (sys.executable, "-m", "hubernate_gate.app")
) -> AsyncIterator[GateProcess]:
    """A gate with that configuration, its listeners on free ports; `command` runs it in another way."""
    file = folder / "gate.json"
    config = config | {"listen": "127.0.0.1:0", "relay_listen": "127.0.0.1:0"}
    write_private(file.resolve(), json.dumps(config))  # a link stays one
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | {"HUBERNATE_GATE_CONFIG": str(file)},
        stderr=asyncio.subprocess.PIPE,
    )
    gate = GateProcess(process, file, config)
    reading = asyncio.create_task(_read_log(gate))
    try:
        await gate.said('"listening"')
        ports = next(json.loads(line)["ports"] for line in gate.lines if '"listening"' in line)
        gate.port, gate.relay_port = ports
        yield gate
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(10):
                await process.wait()
        reading.cancel()


@contextlib.asynccontextmanager
async def whole_gate(folder: Path, **changes: Any) -> AsyncIterator[GateProcess]:
    """A gate between a hub double and a notebook double; `changes` to its file's fields."""
    hub, notebook = HubDouble(), NotebookDouble()
    async with serving(hub.app()) as hub_port, serving(notebook.app()) as notebook_port:
        config = {
            "server_id": "sabcdefghi",
            "generation": 3,
            "user": "ada",
            "prefix": PREFIX,
            "hub_api_url": f"http://127.0.0.1:{hub_port}/hub/api",
            "client_id": CLIENT_ID,
            "hub_token": HUB_TOKEN,
            "callback_path": hub.callback_path,
            "access_scopes": [ACCESS, "access:servers!user=ada"],
            "service_url": f"http://127.0.0.1:{hub_port}/services/hubernate",
            "relay_token": RELAY_TOKEN,
            "upstream": f"http://127.0.0.1:{notebook_port}",
        }
        async with running_gate(folder, config | changes) as gate:
            gate.hub, gate.notebook = hub, notebook
            yield gate


async def raw(port: int, request: bytes) -> tuple[int, CIMultiDict[str], bytes]:
    """Send exactly these bytes; status, headers and the rest of the answer until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ")[::2] for line in lines)
    return int(first.split()[1]), CIMultiDict(pairs), body


async def _read_log(gate: GateProcess) -> None:
    assert gate.process.stderr is not None
    async for line in gate.process.stderr:
        gate.lines.append(line.decode())

"""A stand-in for the notebook's server behind the gate that tells what reached it, and misbehaves on demand."""

import asyncio
import hashlib
from typing import Any

from aiohttp import WSMsgType, web

PREFIX = "/user/ada/"
MIB = 1 << 20


class NotebookDouble:
    """`seen` holds every request that came through: method, raw path, header pairs. `kernels`, `terminals_busy`, `gpu`
    is what it says of its work; `terminals_busy` None: it does not know. `ill`: the status of its answer about its work
    instead; 200 for an answer of two megabytes."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.kernels: list[dict[str, str]] = []
        self.terminals_busy: int | None = None
        self.gpu: object = None
        self.ill = 0
        self.sockets_closed: asyncio.Queue[int | None] = asyncio.Queue()

    def app(self) -> web.Application:
        """Its HTTP side."""
        app = web.Application(client_max_size=1 << 40)
        for path, handler in {
            "api": self._api,
            "api/kernels": self._kernels,
            "hubernate/api/activity": self._busy,
            "download/{mib}": self._download,
            "upload": self._upload,
            "die-chunked": self._die_chunked,
            "die-counted": self._die_counted,
            "die-small": self._die_small,
            "events": self._events,
            "cookies": self._cookies,
            "terminals/websocket/{name}": self._socket,
            "api/kernels/{id}/channels": self._socket,
            "other/socket": self._socket,
            "proxy/8501/stream": self._socket,
        }.items():
            app.router.add_route("*", PREFIX + path, handler)
        app.router.add_route("*", "/{rest:.*}", self._echo)
        return app

    def last(self) -> dict[str, Any]:
        """The newest request, with `headers` as a dictionary of lower-case names."""
        seen = self.seen[-1]
        return seen | {"headers": {name.lower(): value for name, value in seen["headers"]}}

    def _note(self, request: web.Request) -> None:
        self.seen.append({"method": request.method, "path": request.raw_path, "headers": list(request.headers.items())})

    async def _echo(self, request: web.Request) -> web.Response:
        self._note(request)
        body = await request.read()
        return web.json_response({"path": request.raw_path, "method": request.method, "bytes": len(body)})

    async def _api(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "2.18.0", "secret": "stays inside"})

    async def _kernels(self, request: web.Request) -> web.Response:
        if request.query_string == "no_track_activity=1":
            if self.ill:
                return self._unwell()
            return web.json_response(self.kernels)
        return await self._echo(request)

    def _unwell(self) -> web.Response:
        return web.json_response(["x" * 2 * MIB] if self.ill == 200 else [], status=self.ill)

    async def _busy(self, request: web.Request) -> web.Response:
        if self.ill:
            return self._unwell()
        if self.terminals_busy is None:
            raise web.HTTPNotFound
        return web.json_response({"terminals_busy": self.terminals_busy, "gpu": self.gpu})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(int(request.match_info["mib"]) * MIB)})
        await response.prepare(request)
        for number in range(int(request.match_info["mib"]) if request.method == "GET" else 0):
            await response.write(bytes([number % 256]) * MIB)
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        digest, size = hashlib.sha256(), 0
        async for part in request.content.iter_any():
            digest.update(part)
            size += len(part)
        return web.json_response({"bytes": size, "sha256": digest.hexdigest()})

    async def _die(self, request: web.Request, headers: dict[str, str], sent: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(sent)
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.close()
        return response

    async def _die_chunked(self, request: web.Request) -> web.StreamResponse:
        return await self._die(request, {}, b"half")

    async def _die_counted(self, request: web.Request) -> web.StreamResponse:
        return await self._die(request, {"Content-Length": str(MIB)}, b"half")

    async def _die_small(self, request: web.Request) -> web.StreamResponse:
        return await self._die(request, {"Content-Length": "100"}, b"half")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await asyncio.sleep(3600)
        return response

    async def _cookies(self, request: web.Request) -> web.Response:
        response = web.Response(text="ok")
        for cookie in ("_xsrf=theirs; Path=/", "mine=1", "jupyterhub-session-id=x; Path=/", "hubernate-x=1"):
            response.headers.add("Set-Cookie", cookie)
        response.headers["Connection"] = "keep-alive, X-Inner"
        response.headers["X-Inner"] = "hop"
        response.headers["Service-Worker-Allowed"] = "/"
        response.headers["X-Kept"] = "yes"
        return response

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        self._note(request)
        socket = web.WebSocketResponse(protocols=("v1.kernel.websocket.jupyter.org",), max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "close me":
                await socket.close(code=4321, message=b"as you wish")
            elif message.type is WSMsgType.TEXT and message.data == "die":
                assert request.transport is not None
                request.transport.abort()
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        self.sockets_closed.put_nowait(socket.close_code)
        return socket

"""What the Data panel asks of the team's sources, passed on by the gate's relay. No credential comes this way: the
platform opens the sources, and decides with every request who may.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.httpclient import HTTPResponse
from tornado.iostream import StreamClosedError

from .relay import ask, with_query

LOOKS = r"/hubernate/api/(sources(?:/[a-z0-9_-]+(?:/(?:entries|schema|sample))?)?)"
OBJECTS = r"/hubernate/api/(sources/[a-z0-9_-]+/object)"
SHOWN_MAX = 8 * 1024**2
"""Bytes of a file that are shown, a picture's; what is larger is read in a notebook."""
_UPLOAD_MAX = 1 << 50  # the platform has the limit that counts: c.DataGateway.upload_max_bytes
_ASK_S = 60.0


class LookHandler(APIHandler):  # type: ignore[misc]
    """``GET``: the sources; of one its folders, tables, schemas and first rows, as the platform's API gives them."""

    auth_resource = "hubernate"

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """The platform's answer."""
        answer = await ask("GET", with_query(self, path), request_timeout=_ASK_S)
        self.set_status(answer.code)
        self.finish(answer.body or b"{}")


@web.stream_request_body
class ObjectHandler(APIHandler):  # type: ignore[misc]
    """``GET``: a small file, to be shown. ``PUT``: a file into a source, streaming; half of it is never there."""

    auth_resource = "hubernate"
    _sending: "asyncio.Future[HTTPResponse] | None" = None
    _left = False

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """The file's bytes, `SHOWN_MAX` at most."""
        headers = {"Range": f"bytes=0-{SHOWN_MAX - 1}"}
        answer = await ask("GET", with_query(self, path), headers=headers, request_timeout=_ASK_S)
        if answer.code not in (200, 206):
            self.set_status(answer.code)
            self.finish(answer.body or b"{}")
            return
        # Whatever the file says it is: in this origin nothing of it may run.
        self.set_header("Content-Disposition", "attachment")
        self.finish(answer.body, set_content_type="application/octet-stream")

    async def prepare(self) -> None:
        """An upload is on its way before all of it has come, so who may is asked here."""
        self.request.connection.set_max_body_size(_UPLOAD_MAX)
        await super().prepare()
        if self.request.method == "PUT":
            await self._begin()  # type: ignore[misc]  # the decorator's type forgets that it is async

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def _begin(self) -> None:
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(4)
        headers = {"Content-Type": "application/octet-stream"}
        if self.request.headers.get("If-None-Match"):
            headers["If-None-Match"] = self.request.headers["If-None-Match"]
        where = with_query(self, self.path_args[0])
        sending = ask("PUT", where, headers=headers, body_producer=self._produce, request_timeout=0)
        self._sending = asyncio.ensure_future(sending)

    async def _produce(self, write: Callable[[bytes], Awaitable[Any]]) -> None:
        while (part := await self._parts.get()) is not None:
            await write(part)
        if self._left:
            raise StreamClosedError  # without the end of its body the platform keeps nothing

    async def data_received(self, chunk: bytes) -> None:
        """Pass a part on, as fast as the platform takes it."""
        if self._sending is None:
            return
        putting = asyncio.ensure_future(self._parts.put(chunk))
        both: set[asyncio.Future[Any]] = {putting, self._sending}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()

    def on_connection_close(self) -> None:
        """The browser left: so do we, and the platform forgets what it has."""
        if self._sending is not None:
            self._left = True
            while not self._parts.empty():
                self._parts.get_nowait()
            self._parts.put_nowait(None)
            self._sending.cancel()
        super().on_connection_close()

    async def put(self, path: str) -> None:
        """The platform's answer, once it has all."""
        assert self._sending is not None
        if not self._sending.done():
            await self._parts.put(None)
        answer = await self._sending
        self.set_status(answer.code)
        self.finish(answer.body or b"{}")

"""WebSockets, passed through byte for byte after the handshake: messages of any size in constant memory, order, pings,
fragments, extensions and close codes as the two ends mean them. The gate only reads along the client's frame headers,
to tell a person's doing from a page that keeps itself connected.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse, json_response
from multidict import CIMultiDict, CIMultiDictProxy

from hubernate_core.errors import Unavailable

from .forward import Tidy
from .frames import Frames

CHUNK = 65536


class _Borrowed(asyncio.StreamReaderProtocol):
    """Reads the client's connection in place of aiohttp's protocol, which learns of its end when we are done."""

    def __init__(self, reader: asyncio.StreamReader, beneath: asyncio.Protocol) -> None:
        super().__init__(reader)
        self._beneath = beneath
        self._lost = False
        self._released = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what it brought before that may still have to go upstream."""
        super().connection_lost(exc)
        self._lost = True
        if self._released:
            self._beneath.connection_lost(exc)

    def release(self) -> None:
        """Let aiohttp clean up as soon as the connection is gone."""
        self._released = True
        if self._lost:
            self._beneath.connection_lost(None)


class Tunnel:
    """WebSockets of one notebook.

    Args:
        address: host and port of the notebook.
        connect_s: seconds to reach it.
        tidy: makes its handshake's headers fit for the browser.
    """

    def __init__(self, address: tuple[str, int], connect_s: float, tidy: Tidy) -> None:
        self._address = address
        self._connect_s = connect_s
        self._tidy = tidy

    async def pass_through(
        self,
        request: BaseRequest,
        target: str,
        headers: CIMultiDict[str],
        on_message: Callable[[bytes], None],
        until: Coroutine[Any, Any, None],
    ) -> StreamResponse:
        """Open the same WebSocket at the notebook and join the two until one of them, or `until`, ends.

        Args:
            target: raw path and query.
            headers: those of `request`, cleaned.
            on_message: called with the beginning of each data message of the client.

        Raises:
            Unavailable: the notebook did not answer.
        """
        ended = asyncio.create_task(until)
        writer = None
        try:
            reader, writer = await self._connect()
            headers.update({"Connection": "Upgrade", "Upgrade": "websocket"})
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape"))
            status, answer = await _read_head(reader)
            if status != 101:
                status = status if 400 <= status < 600 else 502
                return json_response({"message": "the notebook refused this WebSocket"}, status=status)
            response = StreamResponse(status=101, headers=self._tidy(CIMultiDictProxy(answer)))
            response.headers.update({"Connection": "Upgrade", "Upgrade": "websocket"})
            await _join(request, response, (reader, writer), Frames(on_message), ended)
            return response
        finally:
            ended.cancel()
            if writer is not None:
                writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._connect_s):
                return await asyncio.open_connection(*self._address, limit=CHUNK)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"the notebook does not answer ({type(error).__name__})") from error


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, CIMultiDict[str]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("utf-8", "surrogateescape").split("\r\n")
        pairs = [line.split(":", 1) for line in lines]
        return int(first.split(" ", 2)[1]), CIMultiDict((name.strip(), value.strip()) for name, value in pairs)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError, IndexError) as error:
        raise Unavailable(f"the notebook broke off the handshake ({type(error).__name__})") from error


async def _join(
    request: BaseRequest,
    response: StreamResponse,
    notebook: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    frames: Frames,
    ended: "asyncio.Task[None]",
) -> None:
    reader, writer = notebook
    transport = request.transport
    if transport is None:  # the client left during the handshake
        return
    client_reader = asyncio.StreamReader(limit=CHUNK)
    client = _Borrowed(client_reader, request.protocol)
    # Taken over before the answer is written: nothing the client sends from then on can go to aiohttp's HTTP parser.
    transport.set_protocol(client)
    client.connection_made(transport)
    client_writer = asyncio.StreamWriter(transport, client, client_reader, asyncio.get_running_loop())
    pumps: set[asyncio.Task[None]] = set()
    try:
        response.force_close()
        await response.prepare(request)
        pumps.add(asyncio.create_task(_pump(client_reader, writer, frames.feed)))
        pumps.add(asyncio.create_task(_pump(reader, client_writer)))
        await asyncio.wait({*pumps, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        client_writer.close()
        client.release()


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, look: Callable[[bytes], None] | None = None
) -> None:
    """Copy until either end is gone; reads no faster than the other side takes it."""
    try:
        while data := await source.read(CHUNK):
            if look is not None:
                look(data)
            sink.write(data)
            await sink.drain()
    except OSError:  # gone without a goodbye: the other side is closed by the caller, which is the same to it
        return

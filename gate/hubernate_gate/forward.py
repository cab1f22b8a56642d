"""One HTTP request passed on and its answer passed back, streaming: neither body is ever held whole."""

import logging
from collections.abc import Callable

import aiohttp
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from hubernate_core.errors import Unavailable

log = logging.getLogger(__name__)
SMALL = 65536
"""Bytes up to which an answer of known length is passed on in one piece, which saves a system call and a packet."""
_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What the client library would add of its own."""

Tidy = Callable[[CIMultiDictProxy[str]], CIMultiDict[str]]


class Upstream:
    """One HTTP server at the URL `base` that requests are passed on to; `name` is what messages call it."""

    def __init__(self, client: aiohttp.ClientSession, base: str, name: str, connect_s: float) -> None:
        self._client = client
        self._base = base.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self.name = name

    def url(self, target: str) -> URL:
        """`target` (raw path and query) there, every byte of it kept."""
        return URL(self._base + target, encoded=True)

    async def pass_on(self, request: BaseRequest, target: str, headers: CIMultiDict[str], tidy: Tidy) -> StreamResponse:
        """Send `request` on to `target` with `headers`; its answer, headers made `tidy`, goes to the client.

        An answer that breaks off breaks the client's connection: it must not look complete.

        Raises:
            Unavailable: nobody answered; nothing was sent to the client.
        """
        body = request.content if request.body_exists else None
        if body is not None and request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        try:
            answer = await self._client.request(
                request.method,
                self.url(target),
                headers=headers,
                data=body,
                allow_redirects=False,
                skip_auto_headers=_AUTO_HEADERS,
                timeout=self._timeout,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the {self.name} does not answer ({type(error).__name__})") from error
        async with answer:
            return await self._pass_back(request, answer, tidy(answer.headers))

    async def _pass_back(
        self, request: BaseRequest, answer: aiohttp.ClientResponse, headers: CIMultiDict[str]
    ) -> StreamResponse:
        length = answer.content_length
        if length is not None and 0 < length <= SMALL and request.method != "HEAD":
            try:
                body = await answer.read()
            except (aiohttp.ClientError, OSError) as error:
                raise Unavailable(f"the {self.name} broke off its answer ({type(error).__name__})") from error
            headers.popall("Content-Length", None)
            return Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
        response = StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
        while True:
            try:
                part = await answer.content.readany()
            except (aiohttp.ClientError, OSError) as error:
                log.warning("the %s broke off its answer", self.name, extra={"error": type(error).__name__})
                break_off(request)
                return response
            if not part:
                break
            await response.write(part)
        await response.write_eof()
        return response


def break_off(request: BaseRequest) -> None:
    """Reset the client's connection."""
    if request.transport is not None:
        request.transport.abort()

"""An answer that streams out of a worker, and gives the worker back however it ends."""

from collections.abc import Callable, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..data.calls import Stream


class Flow(StreamingResponse):
    """Sends `stream`; `ended` is told the bytes that went out.

    An answer that breaks off breaks the connection: with its length announced, it cannot look complete.
    """

    def __init__(
        self, stream: Stream, ended: Callable[[int], None], headers: Mapping[str, str], *, status: int = 200
    ) -> None:
        super().__init__(aiter(stream), status, headers=headers, media_type=headers["Content-Type"])
        self._stream, self._ended = stream, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stream.aclose()
            self._ended(self._stream.sent)

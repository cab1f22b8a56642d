"""The notebook's way to the platform service: a loopback listener that forwards one corner of its API, and adds the
narrow token of this server's generation, which user code never sees.
"""

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from hubernate_core.errors import NotFound

from .forward import Upstream
from .headers import is_websocket, toward_browser, without_claims
from .target import read_target

PREFIX = "/api/v1/relay/"


class Relay:
    """Forwards what lies under `PREFIX` to `service`; everything else is not there."""

    def __init__(self, service: Upstream, token: str) -> None:
        self._service = service
        self._token = token

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """One request of the notebook's.

        Raises:
            Refused, NotFound: it is for something else.
            Unavailable: the platform service does not answer.
        """
        target = read_target(request.raw_path, PREFIX)
        if not target.tail or is_websocket(request.headers) or request.method in ("CONNECT", "TRACE"):
            raise NotFound("the relay serves paths under /api/v1/relay/ only")
        headers = without_claims(request.headers)
        headers.popall("Host", None)
        headers["Authorization"] = f"Bearer {self._token}"
        return await self._service.pass_on(request, target.full, headers, toward_browser)

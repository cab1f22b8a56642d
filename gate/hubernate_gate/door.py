"""Every request's way through the gate: judged, then passed on to the notebook or answered here."""

import logging
from urllib.parse import urlsplit

import aiohttp
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse, json_response
from multidict import CIMultiDict, CIMultiDictProxy

from hubernate_core.errors import Broken, HubernateError, InvalidInput, NotAllowed, NotFound, Unavailable, shorten
from hubernate_core.fingerprint import FINGERPRINT_HEADER, fingerprint

from .activity import Activity
from .auth import Auth, LoginNeeded
from .config import Gate, GateSettings
from .forward import Upstream
from .headers import is_navigation, is_websocket, toward_browser, toward_notebook
from .hub import Hub
from .login import Login
from .pages import say
from .reading import read_json
from .sessions import Session, Sessions
from .target import Refused, Target, read_target
from .visits import Visits
from .websocket import Tunnel

log = logging.getLogger(__name__)
_STATUS = (
    (LoginNeeded, 401),
    (NotAllowed, 403),
    (InvalidInput, 400),
    (NotFound, 404),
    (Unavailable, 503),
    (Broken, 502),
)
_READY_TIMEOUT = aiohttp.ClientTimeout(total=5)
_ASLEEP = "Your notebook is not answering: it is being saved, is starting again or has stopped. This page tries again."


class Door:
    """The gate as one settings file describes it. A reload makes a new one; logins and activity stay."""

    def __init__(
        self,
        settings: GateSettings,
        gate: Gate,
        client: aiohttp.ClientSession,
        sessions: Sessions,
        activity: Activity,
    ) -> None:
        self._settings = settings
        self._client = client
        self._activity = activity
        self.hub = Hub(client, settings, gate.hub_timeout_s)
        self._auth = Auth(settings, gate, self.hub, sessions, Visits(client, settings))
        self._login = Login(settings, gate, self.hub, self._auth, sessions)
        self._notebook = Upstream(client, settings.upstream, "notebook", gate.connect_s)
        upstream = urlsplit(settings.upstream)
        self._tunnel = Tunnel((upstream.hostname or "127.0.0.1", upstream.port or 80), gate.connect_s, toward_browser)
        self._scheme = urlsplit(settings.public_url or settings.hub_public_url).scheme or "http"

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """Answer one request, whatever happens."""
        try:
            return await self._answer(request)
        except Refused as error:
            return self._say(request, error.status, error.reason)
        except HubernateError as error:
            status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
            if status >= 500:
                where = shorten(request.raw_path.partition("?")[0], 120)
                log.warning(
                    "a request was not answered", extra={"status": status, "path": where, "error": error.message}
                )
            return self._say(request, status, error.message)

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        if len(request.headers.getall("Host", ())) != 1:
            raise Refused(400, "a request names one Host")
        if request.method in ("CONNECT", "TRACE"):
            raise Refused(405, "this method is not served")
        target = read_target(request.raw_path, self._settings.prefix)
        socket = is_websocket(request.headers)
        if socket and request.method != "GET":
            raise Refused(400, "a WebSocket is opened with GET")
        if request.method in ("GET", "HEAD") and not socket:
            own = await self._own_page(request, target)
            if own is not None:
                return own
        try:
            session = await self._auth.admit(request, target)
        except LoginNeeded as error:
            if socket:
                raise NotAllowed(error.message) from error
            if is_navigation(request.method, request.headers):
                return self._login.start(request, target)
            raise
        return await (self._open_socket if socket else self._pass_on)(request, target, session)

    async def _own_page(self, request: BaseRequest, target: Target) -> StreamResponse | None:
        """What the gate answers to a GET itself, before anybody has logged in."""
        if target.missing_slash:
            location = f"{target.prefix}?{target.query}" if target.query else target.prefix
            return Response(status=302, headers={"Location": location})
        if target.tail == "api":
            return await self._readiness(request)
        if target.path == self._settings.callback_path:
            return await self._login.finish(request, target)
        if target.tail == "logout":
            return self._login.leave(request)
        return None

    async def _readiness(self, request: BaseRequest) -> Response:
        """Jupyter Server's version once it answers: the hub asks for it until then, without a token."""
        url = f"{self._settings.upstream.rstrip('/')}{self._settings.prefix}api"
        try:
            async with self._client.get(url, timeout=_READY_TIMEOUT, allow_redirects=False) as answer:
                told = await read_json(answer, 4096) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the notebook does not answer yet ({type(error).__name__})") from error
        version = told.get("version") if isinstance(told, dict) else None
        if not isinstance(version, str) or len(version) > 64:
            raise Unavailable("the notebook does not answer yet")
        settings = self._settings
        headers = {
            "Cache-Control": "no-store",
            FINGERPRINT_HEADER: fingerprint(settings.hub_token, settings.relay_token),
        }
        if not self.hub.version:
            await self._learn_version()
        if self.hub.version:
            headers["X-JupyterHub-Version"] = self.hub.version
        return json_response({"version": version}, headers=headers)

    async def _learn_version(self) -> None:
        try:
            await self.hub.learn_version()
        except HubernateError as error:  # only a header would name it
            log.info("the hub's version is not known", extra={"error": error.message})

    async def _pass_on(self, request: BaseRequest, target: Target, session: Session) -> StreamResponse:
        page = is_navigation(request.method, request.headers)

        def tidy(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
            kept = toward_browser(headers)
            if page:
                self._login.renew_xsrf(request, session, kept)
            return kept

        headers = toward_notebook(request.headers, session.visitor.name, self._scheme)
        try:
            answer = await self._notebook.pass_on(request, target.full, headers, tidy)
        except Unavailable as error:
            if not page:
                raise
            raise Unavailable(_ASLEEP) from error
        if answer.status < 500:
            self._activity.saw_request(request.method, request.headers, target)
        return answer

    async def _open_socket(self, request: BaseRequest, target: Target, session: Session) -> StreamResponse:
        headers = toward_notebook(request.headers, session.visitor.name, self._scheme)
        return await self._tunnel.pass_through(
            request,
            target.full,
            headers,
            lambda beginning: self._activity.saw_message(target, beginning),
            self._auth.until_void(session),
        )

    def _say(self, request: BaseRequest, status: int, message: str) -> Response:
        hub = self._settings.hub_public_url.rstrip("/") + self._settings.hub_base_path
        return say(request, status, message, (self._settings.prefix, hub))

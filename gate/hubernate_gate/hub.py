"""What the gate asks of the hub. Protocol: jupyterhub/services/auth.py and apihandlers/auth.py, 6.1."""

from datetime import datetime
from urllib.parse import quote

import aiohttp

from hubernate_core.errors import Broken, NotAllowed, Unavailable

from .config import GateSettings
from .reading import read_json
from .sessions import Visitor

TOKEN_MAX = 64
"""Longer ones the hub refuses (jupyterhub/orm.py, 6.1)."""


class Hub:
    """The hub's REST API as one server's gate uses it."""

    def __init__(self, client: aiohttp.ClientSession, settings: GateSettings, timeout_s: float) -> None:
        self._client = client
        self._settings = settings
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self.version = ""
        """JupyterHub's version, once it has answered."""

    async def who(self, token: str) -> Visitor | None:
        """Whose `token` it is; None when the hub does not know it (any more).

        Raises:
            Unavailable: the hub did not answer.
            Broken: it answered something else.
        """
        status, answer = await self._ask("GET", "/user", token)
        if status in (401, 403, 404):
            return None
        name, scopes = answer.get("name"), answer.get("scopes")
        if status != 200 or not isinstance(name, str) or not isinstance(scopes, list):
            raise Broken(f"the hub answered {status} to the question whose login this is", status=status)
        return Visitor(name, frozenset(scope for scope in scopes if isinstance(scope, str)))

    async def exchange(self, code: str, verifier: str) -> str:
        """The visitor's token for the OAuth `code` and its PKCE `verifier`.

        Raises:
            NotAllowed: the hub refused the code: used, expired, or not ours.
            Unavailable: the hub did not answer.
        """
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.hub_token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.callback_path,
            "code_verifier": verifier,
        }
        status, answer = await self._ask("POST", "/oauth2/token", None, data=form)
        token = answer.get("access_token")
        if status != 200 or not isinstance(token, str):
            raise NotAllowed(f"the hub did not accept this login ({status}); open the notebook again to log in anew")
        return token

    async def report_activity(self, at: datetime) -> None:
        """Tell the hub when this server was last active (UTC).

        Raises:
            Unavailable: the hub did not answer, or refused.
        """
        stamp = at.isoformat()
        body = {"servers": {self._settings.server_name: {"last_activity": stamp}}, "last_activity": stamp}
        path = f"/users/{quote(self._settings.user, safe='@~')}/activity"
        status, _ = await self._ask("POST", path, self._settings.hub_token, json=body)
        if status >= 300:
            raise Unavailable(f"the hub answered {status} to a report of activity", status=status)

    async def learn_version(self) -> None:
        """Fill `version`.

        Raises:
            Unavailable: the hub did not answer.
        """
        await self._ask("GET", "/", None)

    async def _ask(self, method: str, path: str, token: str | None, **body: object) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"token {token}"} if token else {}
        url = self._settings.hub_api_url.rstrip("/") + path
        try:
            async with self._client.request(
                method,
                url,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                **body,  # type: ignore[arg-type]
            ) as response:
                answer = await read_json(response)
                self.version = response.headers.get("X-JupyterHub-Version", self.version)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the hub does not answer ({type(error).__name__}); try again in a moment") from error
        if response.status >= 500:
            raise Unavailable(f"the hub answered {response.status}; try again in a moment", status=response.status)
        return response.status, answer if isinstance(answer, dict) else {}

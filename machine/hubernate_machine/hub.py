"""The hub's servers, spoken to with the platform's own token: what runs, and please stop."""

from dataclasses import dataclass
from urllib.parse import quote

import httpx

from hubernate_core.errors import Unavailable
from hubernate_core.platform_file import Platform

from .layout import Layout

_PAGE = 100


@dataclass(frozen=True)
class HubServer:
    """A server that the hub believes is there. `pending` is ``stop``, ``spawn`` or empty."""

    user: str
    name: str
    pending: str

    def __str__(self) -> str:
        return f"{self.user}/{self.name}" if self.name else self.user


class Hub:
    """The REST API of one platform's hub."""

    def __init__(self, platform: Platform, layout: Layout) -> None:
        token = layout.secret("service-token").read_text().strip()
        self._client = httpx.Client(
            base_url=f"http://{platform.bridge_address}:{platform.ports.hub}/hub/api",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/jupyterhub-pagination+json"},
            timeout=30,
            trust_env=False,
        )

    def servers(self) -> list[HubServer]:
        """Servers that run or are about to.

        Raises:
            Unavailable: the hub does not answer.
        """
        found: list[HubServer] = []
        offset: int | None = 0
        while offset is not None:
            query: dict[str, str | int] = {"state": "active", "limit": _PAGE, "offset": offset}
            page = self._ask("GET", "/users", params=query).json()
            for user in page["items"]:
                found += [
                    HubServer(user["name"], name, each["pending"] or "") for name, each in user["servers"].items()
                ]
            following = page["_pagination"]["next"]
            offset = following["offset"] if following else None
        return found

    def stop(self, server: HubServer) -> None:
        """Ask for a stop, which saves first; returns at once.

        Raises:
            Unavailable: the hub refused or does not answer.
        """
        path = f"/users/{quote(server.user, safe='')}/" + (f"servers/{server.name}" if server.name else "server")
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **kwargs: dict[str, str | int]) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **kwargs)  # type: ignore[arg-type]
            # 400: it is already being stopped, or has just stopped.
            if answer.status_code != httpx.codes.BAD_REQUEST:
                answer.raise_for_status()
        except httpx.HTTPError as problem:
            raise Unavailable(f"The hub does not answer as it should: {problem}") from problem
        return answer

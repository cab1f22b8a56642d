"""The platform service, as the spawner sees it: ``/api/v1/hub/…`` (shapes in `hubernate_core.wire`)."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ValidationError

from hubernate_core.errors import (
    Broken,
    Conflict,
    HubernateError,
    NotAllowed,
    NotFound,
    OverQuota,
    Unavailable,
    UserError,
    shorten,
)
from hubernate_core.fingerprint import FINGERPRINT_HEADER
from hubernate_core.names import OperationId, PlaceId, ServerId
from hubernate_core.operation import Operation
from hubernate_core.queue import Place
from hubernate_core.quota import Shortfall
from hubernate_core.server import Server, Ticket
from hubernate_core.wire import (
    Abandoned,
    Generation,
    Groups,
    OptionsRequest,
    Started,
    StartOptions,
    StartRequest,
    StopRequest,
)

from .connections import Connections

_Model = TypeVar("_Model", bound=BaseModel)
_REFUSALS: dict[int, type[HubernateError]] = {403: NotAllowed, 404: NotFound, 409: Conflict}

_GROUPS_AT_ONCE = 2_000
"""Names of 255 bytes at most: half a megabyte."""


class ServiceClient:
    """Calls the platform service; every method raises a `HubernateError` and nothing else when it fails."""

    def __init__(self, url: str, token_file: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/hub/"
        self._token_file = Path(token_file)
        self._token = ""
        self._http = Connections()

    async def start(self, request: StartRequest) -> Ticket | Place:
        """Ask to start a server: a ticket, or a place in the queue.

        Never repeats itself: the caller looks at `Ticket.wait_for` and `Place.may_go`, and asks again.
        """
        status, content = await self._answer("POST", "servers/start", body=request)
        answer: type[Ticket] | type[Place] = Place if status == HTTPStatus.ACCEPTED else Ticket
        return _read(answer, content, "POST servers/start")

    async def place(self, place: PlaceId, wait_s: float) -> Place:
        """A place in the queue: at once if it may go, else when it moved, at most `wait_s` seconds later."""
        return await self._call(Place, "GET", f"queue/{place}", query={"wait_s": str(wait_s)}, wait_s=wait_s)

    async def leave(self, place: PlaceId) -> None:
        """The start waits no more."""
        await self._answer("DELETE", f"queue/{place}")

    async def started(self, server: ServerId, body: Started) -> Server:
        """The containers of a start exist."""
        return await self._call(Server, "POST", f"servers/{server}/started", body=body)

    async def ready(self, server: ServerId, generation: int) -> Server:
        """The server answers: from now on it holds work that must be saved."""
        return await self._call(Server, "POST", f"servers/{server}/ready", body=Generation(generation=generation))

    async def abandoned(self, server: ServerId, body: Abandoned) -> Server:
        """The start failed and its containers are removed."""
        return await self._call(Server, "POST", f"servers/{server}/abandoned", body=body)

    async def stop(self, server: ServerId, body: StopRequest) -> Operation:
        """Open (or join) the operation that saves and stops the server."""
        return await self._call(Operation, "POST", f"servers/{server}/stop", body=body)

    async def operation(self, operation: OperationId, after: datetime | None = None, wait_s: float = 0) -> Operation:
        """The operation's row: at once, or when it changed since `after`, at most `wait_s` seconds later."""
        query: dict[str, str] = {"wait_s": str(wait_s)}
        if after is not None:
            query["after"] = after.isoformat()
        return await self._call(Operation, "GET", f"operations/{operation}", query=query, wait_s=wait_s)

    async def start_options(self, user: str, server_name: str, groups: Iterable[str]) -> StartOptions:
        """What the person may start."""
        body = OptionsRequest(server_name=server_name, groups=tuple(groups))
        return await self._call(StartOptions, "POST", f"users/{quote(user, safe='')}/start-options", body=body)

    async def known_groups(self, names: Iterable[str]) -> set[str]:
        """Those of an identity provider's groups that some team names."""
        wanted, found = sorted(names), set[str]()
        for first in range(0, len(wanted), _GROUPS_AT_ONCE):
            body = Groups(names=tuple(wanted[first : first + _GROUPS_AT_ONCE]))
            found |= set((await self._call(Groups, "POST", "groups", body=body)).names)
        return found

    async def _call(
        self,
        answer: type[_Model],
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        query: dict[str, Any] | None = None,
        wait_s: float = 0,
    ) -> _Model:
        _, content = await self._answer(method, path, body=body, query=query, wait_s=wait_s)
        return _read(answer, content, f"{method} {path}")

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        query: dict[str, Any] | None = None,
        wait_s: float = 0,
    ) -> tuple[int, bytes]:
        status, content = await self._send(method, path, body, query, wait_s)
        if status == HTTPStatus.UNAUTHORIZED:
            self._token = ""  # it may have been renewed since it was read
            status, content = await self._send(method, path, body, query, wait_s)
        if not 200 <= status < 300:
            raise _refusal(status, content, f"{method} {path}")
        return status, content

    async def _send(
        self, method: str, path: str, body: BaseModel | None, query: dict[str, Any] | None, wait_s: float
    ) -> tuple[int, bytes]:
        try:
            self._token = self._token or self._token_file.read_text().strip()
        except OSError as problem:
            raise Broken(f"cannot read the spawner's token file {self._token_file}: {problem.strerror}") from problem
        headers = {"Authorization": f"Bearer {self._token}"}
        content = None
        if body is not None:
            content, headers["Content-Type"] = body.model_dump_json().encode(), "application/json"
        try:
            async with self._http.request(
                method, self._url + path, timeout_s=15 + wait_s, data=content, params=query, headers=headers
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise Unavailable(f"the platform service did not answer ({type(problem).__name__})") from problem


def _read(answer: type[_Model], content: bytes, call: str) -> _Model:
    try:
        return answer.model_validate_json(content)
    except ValidationError as problem:
        raise Broken(f"the platform service answered {call} in a shape this hub does not know") from problem


def _refusal(status: int, content: bytes, call: str) -> HubernateError:
    """The error that a response stands for; its message is the service's own where it sent one."""
    data = _data(content)
    message = _message(data)
    if status in (400, 422):
        return UserError(message or "the platform service refused the request")
    if status == HTTPStatus.CONFLICT and (shortfalls := _shortfalls(data)):
        return OverQuota(message, shortfalls)
    if status in _REFUSALS:
        return _REFUSALS[status](message or f"the platform service answered {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        return Broken("the platform service does not know the spawner's token; run 'hubernate doctor'")
    return Unavailable(message or f"the platform service answered {status} to {call}")


def _data(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _shortfalls(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What a refusal by a quota says of each resource; empty where it is no such refusal."""
    try:
        found = [Shortfall.model_validate(each) for each in data.get("shortfalls", ())]
    except (ValueError, TypeError):
        return []
    return [each.model_dump() for each in found]


def _message(data: dict[str, Any]) -> str:
    """The human sentence of an error body: ``{"message": …}`` or FastAPI's ``{"detail": …}``."""
    found = data.get("message") or data.get("detail")
    return shorten(found, 1000) if isinstance(found, str) else ""


class GateProbe:
    """Whether a gate answers for its notebook; called many times a second while a server starts."""

    def __init__(self) -> None:
        self._http = Connections()

    async def __call__(self, url: str) -> bool:
        """True once `url` answers 200; the gate says 503 until the notebook listens."""
        status, _ = await self._ask(url)
        return status == HTTPStatus.OK

    async def fingerprint(self, url: str) -> str:
        """Of the file that the gate goes by, once `url` answers 200; empty until then."""
        status, headers = await self._ask(url)
        return str(headers.get(FINGERPRINT_HEADER, "")) if status == HTTPStatus.OK else ""

    async def _ask(self, url: str) -> tuple[int, Mapping[str, str]]:
        try:
            async with self._http.request("GET", url, timeout_s=2) as answer:
                return answer.status, answer.headers
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, {}

"""What a route needs, declared once: it is enforced, written into the OpenAPI document, and tested from there."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel

from hubernate_core.errors import Broken, NotAllowed, shorten

from ..context import Work
from ..services.deeds import Deed, note
from ..store.servers import ServerRow
from .access import Door, Standing, standing_in
from .auth import SignedIn
from .body import takes
from .errors import request_id

_KEY = "x-needs"


def needs(standing: Standing, body: type[BaseModel] | None = None) -> dict[str, Any]:
    """``openapi_extra`` of a route that takes a `Door`: who may, and the shape of its body.

    `Standing.NOBODY` is for what belongs to a person or their admins, which is decided where the thing is looked up.
    """
    return {_KEY: standing.words} | ({} if body is None else takes(body))


async def _door(request: Request, person: SignedIn) -> Door:
    declared = (getattr(request.scope.get("route"), "openapi_extra", None) or {}).get(_KEY)
    need = next((each for each in Standing if each.words == declared), None)
    if need is None:
        raise Broken("this route does not say who may use it, so nobody may")
    if need is Standing.PLATFORM_ADMIN and "tenant" not in request.path_params and not person.admin:
        raise NotAllowed("this is for admins of the platform; nothing was changed")
    return Door(person, need, origin=_origin(request), request_id=request_id(request))


Entered = Annotated[Door, Depends(_door)]


def note_on_server(
    work: Work, door: Door, row: ServerRow, action: str, *, before: dict[str, Any] | None = None, after: Any = None
) -> None:
    """Write down what the person did to a server, in the transaction in which it was done."""
    standing = standing_in(work, door.person, row.tenant_id)
    actor = replace(door.actor(standing), role="owner" if door.person.owns(row) else standing.words)
    target = f"{row.user}/{row.name} {row.id}"
    note(work, actor, Deed(action, target, row.tenant_id, before=before, after=after))


def _origin(request: Request) -> str:
    """From where, for the audit log: the address that the nearest proxy saw, and what the caller says it is."""
    nearest = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    address = nearest or (request.client.host if request.client else "")
    return shorten(f"{address} {request.headers.get('user-agent', '')}".strip(), 200)

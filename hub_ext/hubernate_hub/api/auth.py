"""Who asks. Every route names one of these as a dependency; what they may is decided where the thing is looked up."""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Annotated

from fastapi import Depends, Request

from hubernate_core.errors import InvalidInput, NotAllowed, NotFound
from hubernate_core.names import CheckpointId, OperationId, PlaceId, ServerId, check_id

from ..context import Context, Work
from ..store import checkpoints, operations, servers, waits
from ..store.operations import OperationRow
from ..store.servers import ServerRow
from ..store.waits import WaitRow
from .access import Standing, standing_in
from .errors import NotSignedIn
from .sessions import People, Person, Session
from .tokens import ServiceTokens, bearer

SESSION_COOKIE = "hubernate-session"
XSRF_COOKIE = "_xsrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def _context(request: Request) -> Context:
    return context_of(request)


def context_of(request: Request) -> Context:
    """The parts of the service that answers."""
    context: Context = request.app.state.context
    return context


ContextOf = Annotated[Context, Depends(_context)]


def people_of(request: Request) -> People:
    """The hub's answers about people."""
    people: People = request.app.state.people
    return people


def service_tokens(request: Request) -> ServiceTokens:
    """The tokens of our own processes."""
    tokens: ServiceTokens = request.app.state.tokens
    return tokens


async def require_spawner(request: Request) -> None:
    """Only the hub's spawner passes."""
    if not service_tokens(request).is_spawner(bearer(request)):
        raise NotSignedIn("this is not the spawner's token")


async def agent_node(request: Request) -> str:
    """The node of the agent that asks: by its token's file on Docker, by the cluster's word on Kubernetes.

    Raises:
        NotSignedIn: it is no agent.  Unavailable: the API server, asked about a token, does not answer.
    """
    kube = context_of(request).kube
    if kube is None:
        return service_tokens(request).node_of(bearer(request))
    try:
        return await kube.tokens.node_of(bearer(request))
    except NotAllowed as problem:
        raise NotSignedIn(problem.message) from problem


AgentNode = Annotated[str, Depends(agent_node)]


async def relayed_server(request: Request) -> ServerRow:
    """The server whose present start holds the relay token that was shown."""
    context, token = context_of(request), bearer(request)
    digest = hashlib.sha256(token.encode()).hexdigest()
    row = await context.store.read(servers.by_relay, digest) if token else None
    if row is None:
        raise NotSignedIn("this relay token belongs to no running server")
    return row


RelayedServer = Annotated[ServerRow, Depends(relayed_server)]


async def signed_in(request: Request) -> Person:
    """The person who asks: by a Hub token, or by our session cookie with the XSRF token for anything that changes.

    Raises:
        NotSignedIn, NotAllowed.  Unavailable: the hub does not answer.
    """
    token = bearer(request)
    if token:
        person = await people_of(request).by_token(token)
        if person is None:
            raise NotSignedIn("the hub does not know this token")
        return person
    session = await browser_session(request)
    if session is None:
        raise NotSignedIn("sign in, or send 'Authorization: token …' with a token of the hub")
    if request.method not in _SAFE:
        _check_xsrf(request, session)
    return session.person


SignedIn = Annotated[Person, Depends(signed_in)]


async def browser_session(request: Request) -> Session | None:
    """The session of the browser that asks, if it has one."""
    for cookie in _cookies(request, SESSION_COOKIE):
        found = await people_of(request).by_cookie(cookie, hub_session(request))
        if found is not None:
            return found
    return None


def hub_session(request: Request) -> str:
    """The hub's own session id, which changes when the person signs out."""
    return next(iter(_cookies(request, "jupyterhub-session-id")), "")


def _cookies(request: Request, name: str) -> list[str]:
    """Every cookie called `name`: another path's may stand beside ours."""
    values: list[str] = []
    for part in request.headers.get("cookie", "").split(";"):
        try:
            morsel = SimpleCookie(part.strip()).get(name)
        except CookieError:
            continue
        if morsel is not None:
            values.append(morsel.value)
    return values


def _check_xsrf(request: Request, session: Session) -> None:
    mode, site = request.headers.get("sec-fetch-mode", ""), request.headers.get("sec-fetch-site", "")
    if mode == "no-cors" or site in ("cross-site", "same-site"):
        raise NotAllowed("this request comes from another site; nothing was changed")
    header = request.headers.get("x-xsrftoken", "")
    cookie_matches = any(
        hmac.compare_digest(each.encode(), session.xsrf.encode()) for each in _cookies(request, XSRF_COOKIE)
    )
    if not cookie_matches or not hmac.compare_digest(header.encode(), session.xsrf.encode()):
        raise NotAllowed("the X-XSRFToken header is missing or old; load the page again. Nothing was changed")


def server_of(work: Work, person: Person, server: str) -> ServerRow:
    """A server that is the person's, or one they are an admin of.

    Raises:
        NotFound: the same for a foreign one as for one that does not exist.
    """
    row = servers.get(work.tx, ServerId(_id(server)))
    if row is None or not may_act_on(work, person, row):
        raise NotFound("you have no such server")
    return row


def may_act_on(work: Work, person: Person, server: ServerRow) -> bool:
    """Whether a person may see and act on a server: its own, the platform's admins, and the admins of its tenant."""
    return person.owns(server) or standing_in(work, person, server.tenant_id) >= Standing.TENANT_ADMIN


def place_of(work: Work, person: Person, place: str) -> WaitRow:
    """A place in the queue that is the person's, or in a team of which they are an admin. Raises as `server_of`."""
    row = waits.get(work.tx, PlaceId(_id(place)))
    mine = row is not None and row.hub_name == person.hub_name
    if (
        row is None
        or row.cancelled_by
        or not (mine or standing_in(work, person, row.tenant_id) >= Standing.TENANT_ADMIN)
    ):
        raise NotFound("no start of yours waits at that place")
    return row


def operation_of(work: Work, person: Person, operation: str) -> tuple[OperationRow, ServerRow]:
    """An operation of a server that is the person's. Raises as `server_of`."""
    row = operations.get(work.tx, OperationId(_id(operation)))
    server = None if row is None else servers.get(work.tx, row.operation.server_id)
    if row is None or server is None or not may_act_on(work, person, server):
        raise NotFound("you have no such operation")
    return row, server


def checkpoint_of(work: Work, person: Person, checkpoint: str) -> CheckpointId:
    """The id of a checkpoint that is the person's. Raises as `server_of`."""
    found = checkpoints.get(work.tx, CheckpointId(_id(checkpoint)))
    server = None if found is None else servers.get(work.tx, found.server_id)
    if found is None or server is None or not may_act_on(work, person, server):
        raise NotFound("you have no such checkpoint")
    return found.id


def _id(text: str) -> str:
    """`text`, or NotFound: a malformed id is simply of nothing, and never reaches a query."""
    try:
        return check_id(text, "id")
    except InvalidInput as problem:
        raise NotFound("there is nothing by that id") from problem

"""A start: from a person's choice to a ticket with a new generation. A start that is refused creates nothing."""

import hashlib
import secrets
from dataclasses import replace

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hubernate_core.image_ref import parse_image
from hubernate_core.names import OwnerId, ServerId, check_server_name, home_volume, new_id, normalise_user
from hubernate_core.operation import Kind, Trigger
from hubernate_core.profile import Profile
from hubernate_core.queue import Place
from hubernate_core.server import ServerState, Start, StartChoice, Ticket
from hubernate_core.tenant import Tenant
from hubernate_core.wire import Seen, StartRequest

from ..context import Work
from ..store import checkpoints, members, operations, servers, tenants
from ..store.servers import ServerRow
from . import places, team_images
from .admission import Wanted, admit
from .opening import Wish, open_operation
from .placing import place
from .retrying import due


def relay_digest(token: str) -> str:
    """What is stored of a relay token."""
    return hashlib.sha256(token.encode()).hexdigest()


def start(work: Work, request: StartRequest) -> Ticket | Place:
    """The ticket for one start (0001, "A start"), or its place in the queue.

    Raises:
        InvalidInput, NotAllowed, NotFound: the choice cannot be started; nothing was created.
        Conflict: a former run could not be saved yet, or a container of an older start still runs.
        OverQuota: it does not fit into what the tenant, or the person in it, may use, and is not to wait.
        Unavailable: on Kubernetes, while the tenant's namespace is not ready.
        Broken: the checkpoint's record is not ours.
    """
    user, name = normalise_user(request.user), check_server_name(request.server_name)
    tenant = pick_tenant(work, request.user, request.groups, request.choice.tenant)
    tenant = _held(work, tenant)
    busy = _busy_elsewhere(work, request, tenant)
    if busy is not None:
        return busy
    owner = tenants.find_owner(work.tx, user, tenant.id)
    if owner is not None and owner.hub_name != request.user:
        raise NotAllowed("another spelling of this user name is in use here; ask an admin to rename one of them")
    row = None if owner is None else servers.find(work.tx, owner.id, name)
    if row is not None:
        present = _present(work, row)
        if present is not None:
            if present.adopt is not None:
                places.end_of(work, request.user, name, "left")
            return present
        _refuse_beside_an_older_one(work, row)
    if work.context.kube is not None:
        work.context.kube.spaces.check(tenant.id)
    checkpoint = _checkpoint(work, row, request.choice)
    profile = _profile(work, tenant, row, checkpoint, request.choice)
    wanted = _wanted(user, row, new_home=owner is None)
    place = admit(work, tenant, request, wanted, profile)
    if place is not None:
        return place
    owner = owner or tenants.add_owner(work.tx, user, request.user, tenant.id)
    token = secrets.token_urlsafe(32)
    fresh = replace(
        _environment(work, profile, checkpoint),
        id=ServerId(new_id()) if row is None else row.id,
        owner_id=owner.id,
        name=name,
        generation=1 if row is None else row.generation + 1,
        start=request.choice.start,
        node=_first_node(work, row),
        relay_sha256=relay_digest(token),
        asked_at=work.now,
        stopped_at=None if row is None else row.stopped_at,
        notice="" if row is None else row.notice,
        tenant_id=tenant.id,
    )
    if row is None:
        servers.add(work.tx, fresh)
    else:
        servers.replace_row(work.tx, fresh)
    return _ticket(work, fresh, relay_token=token, checkpoint=checkpoint)


def _wanted(user: str, row: ServerRow | None, *, new_home: bool) -> Wanted:
    if row is None:
        return Wanted(user, None, new_home)
    return Wanted(user, row.id, new_home, admitted=row.state is ServerState.STARTING)


def _first_node(work: Work, row: ServerRow | None) -> str:
    """Where it is taken to be until somebody says: where it was, or on this machine, or nowhere yet."""
    if row is not None and row.node:
        return row.node
    return "" if work.context.settings.on_kubernetes else str(work.context.settings.node)


def _held(work: Work, tenant: Tenant) -> Tenant:
    """`tenant` as it is once it is our turn: its quota may have changed, or an admin suspended it meanwhile."""
    row = tenants.lock(work.tx, tenant.id)
    if row is None or row.suspended:
        raise NotAllowed("that team was suspended just now; nothing was started and nothing is lost. Ask an admin")
    return row.tenant


def pick_tenant(work: Work, user: str, groups: tuple[str, ...], chosen: str) -> Tenant:
    """The tenant to start in.

    Raises:
        NotAllowed: the person is in no tenant, or not in the chosen one.  InvalidInput: several, and none chosen.
    """
    mine = {each.name: each.tenant for each in members.tenants_of(work.tx, user, groups)}
    if not mine:
        raise NotAllowed("you belong to no team of this platform yet; ask an admin to add you to one")
    if chosen:
        if chosen not in mine:
            raise NotAllowed("you are not a member of that team; ask an admin, or choose another")
        return mine[chosen]
    if len(mine) > 1:
        raise InvalidInput("choice.tenant", f"you belong to several teams; choose one of: {', '.join(sorted(mine))}")
    return next(iter(mine.values()))


def _busy_elsewhere(work: Work, request: StartRequest, tenant: Tenant) -> Ticket | None:
    """The hub knows one server of a name; if it still runs in another tenant, that one is saved and stopped first."""
    for row in servers.of_user(work.tx, normalise_user(request.user), request.user):
        if row.name == request.server_name and row.tenant_id != tenant.id and row.state is not ServerState.ASLEEP:
            locked = servers.lock(work.tx, row.id)
            waiting = None if locked is None else _present(work, locked, adopt=False)
            if waiting is not None:
                return waiting
    return None


def _present(work: Work, row: ServerRow, *, adopt: bool = True) -> Ticket | None:
    """A ticket to wait or to adopt when something of `row` is still there; None when a new start may be made."""
    pending = operations.open_of(work.tx, row.id)
    if pending is not None:
        return _ticket(work, row, wait_for=pending.operation.id)
    seen = work.context.sight.seen(row)
    died = row.state is ServerState.DEAD or (seen is not None and not seen.running)
    leaves = work.context.sight.deleting(row)
    if row.state is ServerState.RUNNING and adopt and not died and not leaves:
        token = secrets.token_urlsafe(32)
        servers.change(work.tx, row.id, relay_sha256=relay_digest(token))
        return _ticket(work, row, relay_token=token, checkpoint=_started_from(work, row), adopt=row.container_id)
    if row.state in (ServerState.RUNNING, ServerState.DEAD):
        _refuse_if_unsaved(work, row)
        wish = Wish(Kind.STOP, Trigger.DIED if died else Trigger.EVICTED if leaves else Trigger.USER)
        if died and row.state is ServerState.RUNNING:
            servers.change(work.tx, row.id, state=ServerState.DEAD)
        return _ticket(work, row, wait_for=open_operation(work, row.id, wish).operation.id)
    if row.state is ServerState.STARTING and row.container_id:
        discard = open_operation(work, row.id, Wish(Kind.DISCARD, Trigger.FORGOTTEN))
        return _ticket(work, row, wait_for=discard.operation.id)
    if row.state is ServerState.STARTING and not adopt:
        servers.change(work.tx, row.id, state=ServerState.ASLEEP, relay_sha256=None)
    return None


def _refuse_beside_an_older_one(work: Work, row: ServerRow) -> None:
    """Two containers of one server would write to one home folder, and only one of them would ever be saved."""
    for node, seen in work.context.sight.left_behind([row]):
        raise Conflict(
            f"container {seen.container_id[:12]} of {_which(row, seen)} ({seen.generation}) of this server still runs"
            f" on node {node}; nothing was started or deleted. Try again in a minute; if it stays, an admin has to"
            " look at what it holds and to remove it",
            server=row.id,
            generation=seen.generation,
        )


def _which(row: ServerRow, seen: Seen) -> str:
    return "an older start" if seen.generation < row.generation else "a start that this restored database lacks"


def _refuse_if_unsaved(work: Work, row: ServerRow) -> None:
    rows = operations.recent_of(work.tx, row.id)
    if due(rows, work.now, work.context.settings.retry_after_s):
        return
    reason = rows[0].operation.reason or "no reason was given"
    raise Conflict(
        f"the last run of this server in team {row.tenant!r} could not be saved: {reason}. What it changed is"
        " still there and nothing was deleted. It is tried again by itself; the page of your servers offers to try now",
        server=row.id,
        operation=rows[0].operation.id,
    )


def _checkpoint(work: Work, row: ServerRow | None, choice: StartChoice) -> Checkpoint | None:
    """The checkpoint to start from, checked; None for a clean start."""
    found: Checkpoint | None = None
    if choice.checkpoint_id is not None:
        found = checkpoints.get(work.tx, choice.checkpoint_id)
        if found is None or row is None or found.server_id != row.id or found.owner_id != row.owner_id:
            raise NotFound("this server has no such checkpoint; nothing was started")
        if not found.usable:
            raise Conflict("this checkpoint's image is missing from the registry; choose another, or start clean")
    elif choice.start in (Start.CONTINUE, Start.SAFE) and row is not None:
        all_of_it = checkpoints.of_servers(work.tx, [row.id])
        found = next((each for each in all_of_it if each.usable), None)
        if found is None and all_of_it:
            raise Conflict("the image of every checkpoint is missing from the registry; ask an admin, or start clean")
    if found is not None:
        work.context.signer.check(found)
    return found


def _profile(
    work: Work, tenant: Tenant, row: ServerRow | None, checkpoint: Checkpoint | None, choice: StartChoice
) -> Profile:
    """The profile that gives resources and environment: the checkpoint's own, or the chosen one for a clean start."""
    if checkpoint is not None:
        # The start form sends its preselected profile along; a saved environment runs on its own.
        return work.context.catalogue.profile(checkpoint.profile, tenant)
    if choice.team_image:
        return team_images.profile_of(work, tenant, choice.team_image)
    if choice.profile:
        return work.context.catalogue.profile(choice.profile, tenant)
    allowed = work.context.catalogue.allowed(tenant)
    if row is not None and row.profile.name in allowed:
        return allowed[row.profile.name]
    if len(allowed) != 1:
        raise InvalidInput("choice.profile", f"choose one of: {', '.join(sorted(allowed)) or 'none is offered yet'}")
    return next(iter(allowed.values()))


def _environment(work: Work, profile: Profile, checkpoint: Checkpoint | None) -> ServerRow:
    """A row that says what runs; whose it is comes from the caller."""
    base = parse_image(profile.image, need_digest=True)
    return ServerRow(
        id=ServerId(""),
        owner_id=OwnerId(""),
        name="",
        state=ServerState.STARTING,
        generation=0,
        profile=profile,
        start=Start.CONTINUE,
        base_repository=base.repository
        if checkpoint is None
        else team_images.base_repository(work, checkpoint, base.repository),
        base_digest=base.digest if checkpoint is None else checkpoint.base_digest,
        image_repository=base.repository if checkpoint is None else checkpoint.repository,
        image_digest=base.digest if checkpoint is None else checkpoint.digest,
        checkpoint_id=None if checkpoint is None else checkpoint.id,
    )


def _started_from(work: Work, row: ServerRow) -> Checkpoint | None:
    return None if row.checkpoint_id is None else checkpoints.get(work.tx, row.checkpoint_id)


def _ticket(work: Work, row: ServerRow, **answer: object) -> Ticket:
    """A ticket for `row`; `answer` are the fields that differ: `relay_token`, `checkpoint`, `adopt`, `wait_for`."""
    settings = work.context.settings
    registry = settings.registry if row.checkpoint_id else parse_image(row.profile.image).registry
    ticket = Ticket(
        server_id=row.id,
        generation=row.generation,
        owner_id=row.owner_id,
        tenant_id=row.tenant_id,
        profile=row.profile,
        image=f"{registry}/{row.image}",
        start=row.start,
        home_volume=home_volume(settings.instance, row.owner_id),
        relay_token="",
        service_url=settings.url_for_gates,
        placement=None if work.context.kube is None else place(work, row),
    )
    return ticket.model_copy(update=answer)

"""A tenant is deleted in two steps.

The first suspends it, shows what will go and exports it; nothing goes. The second, confirmed by the tenant's name,
cannot be taken back: a loop then removes images, homes, sources and rows, and goes on after a crash where it was, since
each part is only forgotten once it is gone.
"""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from hubernate_core.errors import Conflict
from hubernate_core.names import ServerId, TenantId, home_volume, tenant_network
from hubernate_core.retention import Stored
from hubernate_core.server import ServerState
from hubernate_core.source import SourceSpec
from hubernate_core.tenant import TenantDocument
from hubernate_core.wire import Leftover, Seen

from ..actor import Actor
from ..context import Work
from ..store import (
    audit,
    checkpoints,
    departures,
    job_attempts,
    jobs,
    members,
    operations,
    schedules,
    servers,
    sources,
    team_images,
    tenants,
)
from ..store.departures import Departure
from ..store.jobs import JobRow
from ..store.servers import ServerRow
from ..store.tenants import TenantRow
from . import governing
from .deeds import Deed, note


class WhatGoes(BaseModel):
    """What a tenant's deletion takes away, and what stands in its way."""

    marked: bool = Field(description="the first step was done: the tenant is suspended")
    unsaved: list[str] = Field(description="what has to be saved and stopped before")
    servers: int
    checkpoints: int
    checkpoint_bytes: int
    team_images: int
    homes: list[str] = Field(description="whose home folders go, with everything in them")
    sources: list[str] = Field(description="whose registration and credential go; the data stays where it is")


class Export(BaseModel):
    """What can be written down of a tenant; `tenant` is for ``hubernate apply``. Homes and images are not in it."""

    tenant: TenantDocument
    sources: list[SourceSpec] = Field(description="without credentials")
    servers: list[dict[str, str]]


def look(work: Work, row: TenantRow) -> WhatGoes:
    """What would go."""
    rows = servers.of_tenant(work.tx, row.id)
    stored: list[Stored] = checkpoints.stored(work.tx, row.id).get(row.id, [])
    return WhatGoes(
        marked=row.marked_at is not None,
        unsaved=_unsaved(work, rows, jobs.going(work.tx, row.id)),
        servers=len(rows),
        checkpoints=len(stored),
        checkpoint_bytes=sum(each.size for each in stored),
        team_images=len(team_images.all_of(work.tx, row.id)),
        homes=tenants.people_of(work.tx, row.id),
        sources=[each.name for each in sources.of_tenant(work.tx, row.id)],
    )


def _unsaved(work: Work, rows: list[ServerRow], jobs: list[JobRow]) -> list[str]:
    """What may hold work of the tenant, whose servers are `rows`, that no checkpoint has; and `jobs`, not over yet."""
    busy = [each for each in rows if each.state is not ServerState.ASLEEP or operations.open_of(work.tx, each.id)]
    found = [f"{each.user}'s {each.name or 'default environment'}" for each in busy]
    found += _strays(work, {each.id: each for each in rows}, busy)
    nodes = {str(work.context.settings.node), *(each.node for each in rows if each.node)}
    found += [f"{each.user}'s job {each.request.label}" for each in jobs]
    return found + work.context.sight.unseen(nodes)


def _strays(work: Work, mine: Mapping[ServerId, ServerRow], busy: list[ServerRow]) -> list[str]:
    """Containers that should not be there, of one of `mine` or of a server that no row tells of: the database may be
    a restored one, and then nobody knows whose that is."""
    strays = work.context.sight.strays(busy)
    known = servers.tenants_of(work.tx, {seen.server_id for _, seen in strays})
    return [
        f"container {seen.container_id[:12]} of {_which(mine.get(seen.server_id), seen)} on node {node}"
        for node, seen in strays
        if seen.server_id in mine or seen.server_id not in known
    ]


def _which(row: ServerRow | None, seen: Seen) -> str:
    if row is None:
        return "a server that the platform does not know"
    if seen.generation == row.generation:
        return f"{row.user}'s {row.name or 'default environment'}, which should be asleep,"
    return "an older start" if seen.generation < row.generation else "a start that the platform does not know"


def export(work: Work, row: TenantRow) -> Export:
    """All that can be written down of a tenant."""
    rows = servers.of_tenant(work.tx, row.id)
    return Export(
        tenant=governing.document_of(work, row),
        sources=[SourceSpec.model_validate(_spec(each)) for each in sources.of_tenant(work.tx, row.id)],
        servers=[{"user": each.user, "name": each.name, "profile": each.profile.name} for each in rows],
    )


def _spec(source: SourceSpec) -> dict[str, object]:
    return {name: getattr(source, name) for name in SourceSpec.model_fields}


def mark(work: Work, actor: Actor, row: TenantRow) -> TenantRow:
    """The first step, for a tenant that the caller holds: suspend it. Unsuspending it takes this back.

    Raises:
        Conflict: something of it is not saved, or the tenants file would make it anew; nothing was changed.
    """
    _check(work, row)
    if row.marked_at is not None:
        return row
    marked = tenants.mark(work.tx, row, work.now)
    note(work, actor, Deed("tenant.mark", row.name, row.id, after=look(work, marked).model_dump(mode="json")))
    return marked


def delete(work: Work, actor: Actor, row: TenantRow, *, confirmed: bool) -> None:
    """The second step: from here on what it has is removed.

    Raises:
        Conflict: the first step was not done, something is unsaved, or it was not confirmed; nothing was changed.
    """
    _check(work, row)
    goes = look(work, row)
    if row.marked_at is None:
        raise Conflict(
            f"team {row.name!r} is not marked for deletion; nothing was changed. POST …/tenants/{row.name}/deletion"
            " shows what will go, exports the team and suspends it; 'hubernate tenants delete' does both steps",
            tenant=row.name,
        )
    if not confirmed:
        raise Conflict(
            f"{goes.servers} environments, {goes.checkpoints} checkpoints, {len(goes.homes)} home folders and"
            f" {len(goes.sources)} sources of team {row.name!r} will be removed and cannot be brought back. Nothing was"
            f" removed yet; ask again with confirm={row.name}",
            tenant=row.name,
            confirm=row.name,
        )
    document = governing.document_of(work, row).model_dump(mode="json")
    tenants.remove(work.tx, row, work.now)
    members.replace(work.tx, row.id, ())
    after = goes.model_dump(mode="json")
    note(work, actor, Deed("tenant.delete", row.name, row.id, before=document, after=after))


def _check(work: Work, row: TenantRow) -> None:
    unsaved = _unsaved(work, servers.of_tenant(work.tx, row.id), jobs.going(work.tx, row.id))
    if unsaved:
        more = f" and {len(unsaved) - 5} more" if len(unsaved) > 5 else ""
        raise Conflict(
            f"{', '.join(unsaved[:5])}{more} of team {row.name!r} may hold unsaved work; the team was not deleted."
            " Suspend it, stop them (each is saved first) and cancel its jobs, then delete it; what was stopped just"
            " now may be told of for another minute",
            tenant=row.name,
        )
    if row.seed is not None:
        raise Conflict(
            f"the tenants file names team {row.name!r} and would make it anew; nothing was changed. Take it out of the"
            " file, wait until it is suspended, then delete it",
            tenant=row.name,
        )


def let_go(work: Work, tenant: TenantId) -> None:
    """Give up a deleted tenant's images and rows; again, nothing happens."""
    for stored in checkpoints.stored(work.tx, tenant).get(tenant, []):
        checkpoints.forget(work.tx, stored.reference, "", work.now)
    for image in team_images.all_of(work.tx, tenant):
        checkpoints.forget(work.tx, image.reference, "", work.now)
    jobs.forget_all_of(work.tx, tenant)
    job_attempts.forget(work.tx)
    schedules.forget_all_of(work.tx, tenant)
    departures.drop_rows(work.tx, tenant)


def leftovers(work: Work) -> tuple[Leftover, ...]:
    """Homes and networks that an agent shall remove from the engine; on a cluster they go with the namespace."""
    settings = work.context.settings
    if settings.on_kubernetes:
        return ()
    gone = [
        Leftover(kind="home", name=home_volume(settings.instance, owner), tenant_id=tenant, owner_id=owner)
        for tenant, owner in departures.homes(work.tx)
    ]
    empty = [each for each in departures.under_way(work.tx) if not each.homes and not each.images]
    networks = [  # the last of all: who removed it ends the departure
        Leftover(kind="network", name=tenant_network(settings.instance, each.tenant_id), tenant_id=each.tenant_id)
        for each in empty
    ]
    return (*gone, *networks)


def removed(work: Work, gone: Leftover) -> None:
    """An agent removed something, or saw that it is gone."""
    if work.context.settings.on_kubernetes:
        return  # nobody was told to: there it is the namespace that counts
    if gone.owner_id is not None:
        departures.home_gone(work.tx, gone.owner_id)
    else:
        finish(work, gone.tenant_id)


def finish(work: Work, tenant: TenantId) -> bool:
    """Write down that nothing of a deleted tenant is left, once that is so; whether it is."""
    left = next((each for each in departures.under_way(work.tx) if each.tenant_id == tenant), None)
    if left is None or left.homes or left.images:
        return False
    departures.emptied(work.tx, tenant, work.now)
    entry = audit.Entry(
        at=work.now, actor="reconciler", role="service", action="tenant.removed", target=tenant, tenant_id=tenant
    )
    audit.append(work.tx, entry)
    return True


def under_way(work: Work) -> list[Departure]:
    """Deleted tenants of which something is left."""
    return departures.under_way(work.tx)

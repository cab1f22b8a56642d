"""What admins do to tenants: create, change, suspend, delete, members. Each change is audited, or did not happen."""

from typing import Any

from hubernate_core.errors import Conflict, InvalidInput, NotFound
from hubernate_core.names import check_tenant_name
from hubernate_core.server import ServerState
from hubernate_core.tenant import Member, TenantDocument, TenantSettings, check_own_change

from ..context import Work
from ..store import checkpoints, members, servers, tenants
from ..store.tenants import TenantRow
from .actor import Actor, Deed, note


def document_of(work: Work, row: TenantRow) -> TenantDocument:
    """The tenant as ``export`` writes it."""
    # In its written form: 500 thousandths as a bare number would be read as 500 cores.
    known = row.tenant.model_dump(mode="json", exclude={"id"})
    mine = [each.model_dump(mode="json") for each in members.of_tenant(work.tx, row.id)]
    return TenantDocument.model_validate(known | {"suspended": row.suspended, "members": mine})


def create(work: Work, actor: Actor, wanted: TenantDocument) -> TenantRow:
    """A new tenant.

    Raises:
        InvalidInput: the name is malformed or reserved, or a profile does not exist.  Conflict: the name is taken.
    """
    check_tenant_name(wanted.name)
    _check_profiles(work, wanted)
    row = tenants.create(work.tx, wanted.name, wanted.settings)
    if wanted.suspended:
        row = tenants.save(work.tx, row, wanted.settings, suspended=True)
    members.replace(work.tx, row.id, wanted.members)
    if work.context.settings.on_kubernetes:
        tenants.give_namespaces(work.tx, work.context.settings.instance)
    note(work, actor, Deed("tenant.create", row.name, row.id, after=wanted.model_dump(mode="json")))
    return row


def change(work: Work, actor: Actor, row: TenantRow, wanted: TenantDocument) -> TenantRow:
    """`row`, which the caller holds, made as `wanted`; unchanged where it is so already.

    Raises:
        NotAllowed: a field that is the platform admin's.  InvalidInput: a bad value, or one beyond the bounds.
    """
    before = document_of(work, row)
    if wanted.name != row.name:
        raise InvalidInput("name", f"a team keeps its name, {row.name!r}; change its title instead")
    if before == wanted:
        return row
    check_change(actor, before, wanted)
    _check_profiles(work, wanted)
    changed = tenants.save(work.tx, row, wanted.settings, suspended=wanted.suspended)
    if wanted.members != before.members:
        members.replace(work.tx, row.id, wanted.members)
    old, new = _differences(before, wanted)
    note(work, actor, Deed("tenant.change", row.name, row.id, before=old, after=new))
    return changed


def check_change(actor: Actor, before: TenantDocument, wanted: TenantDocument) -> None:
    """Refuse what `actor` may not make of a tenant.

    Raises:
        NotAllowed: a field that is the platform admin's.  InvalidInput: a value beyond the bounds.
    """
    if actor.platform_admin:
        return
    if wanted.suspended != before.suspended:
        raise InvalidInput("suspended", "only a platform admin suspends a team; nothing was changed")
    check_own_change(before.settings, wanted.settings)


def delete(work: Work, actor: Actor, row: TenantRow, *, confirmed: bool) -> None:
    """Take a tenant out of use. Homes and checkpoints stay where they are until an admin removes them by hand.

    Raises:
        Conflict: something of it is awake or unsaved, or it was not confirmed; nothing was changed.
    """
    rows = servers.of_tenant(work.tx, row.id)
    awake = [each for each in rows if each.state is not ServerState.ASLEEP]
    if awake:
        names = ", ".join(f"{each.user}'s {each.name or 'default environment'}" for each in awake[:5])
        more = f" and {len(awake) - 5} more" if len(awake) > 5 else ""
        raise Conflict(
            f"{names}{more} of team {row.name!r} still hold unsaved work; the team was not deleted. Suspend it, stop"
            " them (each is saved first), then delete it",
            tenant=row.name,
        )
    if not confirmed:
        kept = checkpoints.of_servers(work.tx, [each.id for each in rows])
        raise Conflict(
            f"team {row.name!r} has {len(rows)} environments with {len(kept)} checkpoints. They and the homes stay in"
            f" the registry and on the engine, but nobody can start them. Export the team first; then ask again with"
            f" confirm={row.name}",
            tenant=row.name,
            confirm=row.name,
        )
    document = document_of(work, row)
    tenants.remove(work.tx, row, work.now)
    members.replace(work.tx, row.id, ())
    note(work, actor, Deed("tenant.delete", row.name, row.id, before=document.model_dump(mode="json")))


def put_member(work: Work, actor: Actor, row: TenantRow, member: Member) -> None:
    """Put a person on the tenant's own list, or change their role."""
    before = next((each for each in members.of_tenant(work.tx, row.id) if each.user == member.user), None)
    if before == member:
        return
    members.put(work.tx, row.id, member)
    tenants.touch(work.tx, row)
    old = None if before is None else before.model_dump(mode="json")
    note(work, actor, Deed("member.put", member.user, row.id, before=old, after=member.model_dump(mode="json")))


def remove_member(work: Work, actor: Actor, row: TenantRow, user: str) -> None:
    """Take a person off the tenant's own list. Unless a group keeps them in, `Leavers` saves and stops what runs.

    Raises:
        NotFound: they are not on the list.
    """
    if not members.remove(work.tx, row.id, user):
        raise NotFound(f"{user!r} is not on the list of team {row.name!r}; a group may make them a member")
    tenants.touch(work.tx, row)
    note(work, actor, Deed("member.remove", user, row.id))


def _check_profiles(work: Work, wanted: TenantSettings) -> None:
    unknown = [each for each in wanted.profiles if each not in work.context.catalogue.names]
    if unknown:
        known = ", ".join(sorted(work.context.catalogue.names)) or "none yet"
        raise InvalidInput("profiles", f"there is no profile {unknown[0]!r}; known: {known}")


def _differences(before: TenantDocument, after: TenantDocument) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = [name for name in old if old[name] != new[name]]
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}

"""What admins do to tenants: create, change, suspend, members. Each change is audited, or did not happen."""

from typing import Any

from hubernate_core.errors import InvalidInput, NotFound
from hubernate_core.names import check_tenant_name
from hubernate_core.tenant import Member, TenantDocument, TenantSettings, check_caps, check_own_change

from ..actor import Actor
from ..context import Work
from ..store import members, tenants
from ..store.tenants import TenantRow
from .deeds import Deed, note


def document_of(work: Work, row: TenantRow) -> TenantDocument:
    """The tenant as ``export`` writes it."""
    # In its written form: 500 thousandths as a bare number would be read as 500 cores.
    known = row.tenant.model_dump(mode="json", exclude={"id"})
    mine = [each.model_dump(mode="json") for each in members.of_tenant(work.tx, row.id)]
    return TenantDocument.model_validate(known | {"suspended": row.suspended, "members": mine})


def create(work: Work, actor: Actor, wanted: TenantDocument) -> TenantRow:
    """A new tenant.

    Raises:
        InvalidInput: the name is malformed or reserved, a profile does not exist, or a cap is above its limit.
         Conflict: the name is taken.
    """
    check_tenant_name(wanted.name)
    _check_profiles(work, wanted)
    check_caps(wanted.quota)
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
    if wanted.quota != before.quota:
        check_caps(wanted.quota)
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

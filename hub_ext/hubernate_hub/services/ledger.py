"""Who holds what of a tenant."""

from collections.abc import Iterable

from hubernate_core.names import ServerId, TenantId
from hubernate_core.profile import Profile
from hubernate_core.quota import Amounts, Holding, amounts_of, amounts_of_job
from hubernate_core.tenant import Tenant

from ..context import Work
from ..store import jobs, ledger, server_lists, servers, team_images
from ..store.servers import ServerRow

_TEAM = "(team images)"
"""In the place of a person, for what nobody holds alone."""


def held_in(work: Work, tenant: Tenant, *, but: ServerId | None = None) -> list[Holding]:
    """What is held of `tenant`, also by containers of older starts that nobody could end; server `but` left out."""
    return held_in_each(work, [tenant], but=but)[tenant.id]


def held_in_each(work: Work, known: Iterable[Tenant], *, but: ServerId | None = None) -> dict[TenantId, list[Holding]]:
    """As `held_in`, of each of `known`, in as many queries as for one."""
    found = held(work, known, but=but)
    for row in _left_behind(work, found):
        found[row.tenant_id].append(Holding(row.user, of_server(work, row.profile)))
    return found


def held(work: Work, known: Iterable[Tenant], *, but: ServerId | None = None) -> dict[TenantId, list[Holding]]:
    """What is held of each of `known` by what the books know, in five queries however many they are."""
    by_id = {each.id: each for each in known}
    found: dict[TenantId, list[Holding]] = {each: [] for each in by_id}
    for each in ledger.awake(work.tx, by_id):
        if each.id != but:
            found[each.tenant_id].append(Holding(each.user, of_server(work, each.profile)))
    for tenant, user, profile in jobs.holding(work.tx, by_id):
        found[tenant].append(Holding(user, amounts_of_job(profile)))
    for tenant, user in ledger.homes(work.tx, by_id):
        found[tenant].append(Holding(user, of_home(work, by_id[tenant])))
    for tenant, user, size in ledger.saved(work.tx, by_id):
        found[tenant].append(Holding(user, {"checkpoint_bytes": size}))
    for tenant, size in team_images.sizes(work.tx, by_id):
        found[tenant].append(Holding(_TEAM, {"checkpoint_bytes": size}))
    return found


def of_server(work: Work, profile: Profile) -> Amounts:
    """What a server of `profile` holds while it is not asleep."""
    return amounts_of(profile, devices=work.context.settings.on_kubernetes)


def of_home(work: Work, tenant: Tenant) -> Amounts:
    """What a home in `tenant` holds."""
    # A volume of the Docker engine has no size that could be held to.
    return {"homes": 1} | ({"storage": tenant.kubernetes.home_size} if work.context.settings.on_kubernetes else {})


def _left_behind(work: Work, known: Iterable[TenantId]) -> list[ServerRow]:
    """Sleeping servers of which containers of older starts still run, once for each: only an admin can end them."""
    asleep = server_lists.newest_starts(work.tx, asleep_in=known)
    strays = work.context.sight.left_behind(asleep) if asleep else []
    rows = [servers.get(work.tx, seen.server_id) for _, seen in strays]
    return [row for row in rows if row is not None]

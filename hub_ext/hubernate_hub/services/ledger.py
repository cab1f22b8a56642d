"""Who holds what of a tenant, and whether a start fits. Callers that admit hold the tenant's lock (P6)."""

from collections.abc import Iterable
from dataclasses import dataclass

from hubernate_core import refusal
from hubernate_core.errors import OverQuota
from hubernate_core.names import ServerId, TenantId
from hubernate_core.profile import Profile
from hubernate_core.quota import Amounts, Holding, Shortfall, amounts_of, decide
from hubernate_core.server import ServerState
from hubernate_core.tenant import Tenant

from ..context import Work
from ..store import ledger, servers, team_images

_TEAM = "(team images)"
"""In the place of a person, for what nobody holds alone."""


@dataclass(frozen=True)
class Wanted:
    """A start of `user`'s, before it is admitted. `server` is None for one that never was."""

    user: str
    server: ServerId | None
    new_home: bool


def held_in(work: Work, tenant: Tenant, *, but: ServerId | None = None) -> list[Holding]:
    """What is held of `tenant`, also by containers of older starts that nobody could end; server `but` left out."""
    return held(work, [tenant], but=but)[tenant.id] + _left_behind(work, tenant.id)


def held(work: Work, known: Iterable[Tenant], *, but: ServerId | None = None) -> dict[TenantId, list[Holding]]:
    """What is held of each of `known` by what the books know, in four queries however many they are."""
    by_id = {each.id: each for each in known}
    found: dict[TenantId, list[Holding]] = {each: [] for each in by_id}
    for each in ledger.awake(work.tx, by_id):
        if each.id != but:
            found[each.tenant_id].append(Holding(each.user, _amounts(work, each.profile)))
    for tenant, user in ledger.homes(work.tx, by_id):
        found[tenant].append(Holding(user, _home(work, by_id[tenant])))
    for tenant, user, size in ledger.saved(work.tx, by_id):
        found[tenant].append(Holding(user, {"checkpoint_bytes": size}))
    for tenant, size in team_images.sizes(work.tx, by_id):
        found[tenant].append(Holding(_TEAM, {"checkpoint_bytes": size}))
    return found


def admit(work: Work, tenant: Tenant, wanted: Wanted, profile: Profile) -> None:
    """Refuse a start that does not fit. The caller stores the server in the same transaction.

    Raises:
        OverQuota: what is used, by whom, the limit, and what would fit.
    """
    mine = held_in(work, tenant, but=wanted.server)
    short = shortfalls(work, tenant, mine, wanted, profile)
    if not short:
        return
    allowed = work.context.catalogue.allowed(tenant).values()
    fitting = [each.title for each in allowed if not shortfalls(work, tenant, mine, wanted, each)]
    for each in short:
        work.context.metrics.refused.labels(each.scope).inc()
    told = refusal.tell(tenant.title or tenant.name, short, fitting)
    raise OverQuota(told, [each.model_dump(mode="json") for each in short], tenant=tenant.name)


def shortfalls(
    work: Work, tenant: Tenant, mine: Iterable[Holding], wanted: Wanted, profile: Profile
) -> tuple[Shortfall, ...]:
    """What keeps a start of `profile` from fitting beside `mine`; empty: it fits."""
    amounts = {**_amounts(work, profile), "checkpoint_bytes": 0}
    if wanted.new_home:
        amounts |= _home(work, tenant)
    return decide(tenant.quota, mine, wanted.user, amounts)


def _amounts(work: Work, profile: Profile) -> Amounts:
    return amounts_of(profile, devices=work.context.settings.on_kubernetes)


def _home(work: Work, tenant: Tenant) -> Amounts:
    # A volume of the Docker engine has no size that could be held to.
    return {"homes": 1} | ({"storage": tenant.kubernetes.home_size} if work.context.settings.on_kubernetes else {})


def _left_behind(work: Work, tenant: TenantId) -> list[Holding]:
    """What containers of older starts of sleeping servers still use: only an admin can end them."""
    asleep = {row.id: row for row in servers.of_tenant(work.tx, tenant) if row.state is ServerState.ASLEEP}
    strays = work.context.sight.left_behind(asleep.values()) if asleep else []
    rows = [asleep[seen.server_id] for _, seen in strays]
    return [Holding(row.user, _amounts(work, row.profile)) for row in rows]

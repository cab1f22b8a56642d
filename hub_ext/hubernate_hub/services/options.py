"""What a person may start: all that the start form shows."""

from hubernate_core.names import check_server_name, normalise_user
from hubernate_core.server import Start, StartChoice
from hubernate_core.wire import ProfileCard, StartOptions, TenantOptions

from ..context import Work
from ..store import checkpoints, operations, servers, tenants


def start_options(work: Work, user: str, server_name: str, groups: list[str]) -> StartOptions:
    """The choices of `user` for `server_name`; the last one they made is preselected.

    Raises:
        InvalidInput: a malformed user or server name.
    """
    name = check_server_name(server_name)
    mine = [each for each in tenants.all_tenants(work.tx, active_only=True).values() if each.name in groups]
    rows = {row.tenant_id: row for row in servers.of_user(work.tx, normalise_user(user), user) if row.name == name}
    shown: list[TenantOptions] = []
    for tenant in sorted(mine, key=lambda each: each.name):
        cards = tuple(
            ProfileCard(
                name=each.name,
                title=each.title,
                description=each.description,
                cpu=each.resources.cpu,
                memory=each.resources.memory,
            )
            for each in work.context.catalogue.allowed(tenant).values()
        )
        row = rows.get(tenant.id)
        saved = () if row is None else tuple(checkpoints.of_servers(work.tx, [row.id]))
        shown.append(TenantOptions(name=tenant.name, title=tenant.title, profiles=cards, checkpoints=saved))
    known = [rows[tenant.id] for tenant in mine if tenant.id in rows]
    last = max(known, key=lambda row: (row.asked_at is not None, row.asked_at), default=None)
    default = StartChoice(start=Start.CONTINUE)
    if last is not None:
        default = StartChoice(profile=last.profile.name, tenant=last.tenant, start=Start.CONTINUE)
    elif len(mine) == 1:
        default = StartChoice(tenant=mine[0].name, start=Start.CONTINUE)
    pending = next((found for row in rows.values() if (found := operations.open_of(work.tx, row.id)) is not None), None)
    return StartOptions(tenants=tuple(shown), default=default, operation=None if pending is None else pending.operation)

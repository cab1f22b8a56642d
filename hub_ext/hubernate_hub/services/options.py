"""What a person may start: all that the start form shows."""

from hubernate_core.names import check_server_name, normalise_user
from hubernate_core.profile import Profile
from hubernate_core.server import Start, StartChoice
from hubernate_core.team_image import TeamImage
from hubernate_core.tenant import Tenant
from hubernate_core.wire import ProfileCard, StartOptions, TenantOptions

from ..context import Work
from ..store import checkpoints, members, operations, servers, tenants
from ..store.servers import ServerRow
from . import team_images, usage
from .admission import Wanted, room


def start_options(work: Work, user: str, server_name: str, groups: list[str]) -> StartOptions:
    """The choices of `user` for `server_name`; the last one they made is preselected.

    Raises:
        InvalidInput: a malformed user or server name.
    """
    name = check_server_name(server_name)
    mine = [each.tenant for each in members.tenants_of(work.tx, user, groups)]
    rows = {row.tenant_id: row for row in servers.of_user(work.tx, normalise_user(user), user) if row.name == name}
    shown = tuple(_tenant(work, each, normalise_user(user), rows.get(each.id)) for each in mine)
    known = [rows[tenant.id] for tenant in mine if tenant.id in rows]
    last = max(known, key=lambda row: (row.asked_at is not None, row.asked_at), default=None)
    default = StartChoice(start=Start.CONTINUE)
    if last is not None:
        default = StartChoice(profile=last.profile.name, tenant=last.tenant, start=Start.CONTINUE)
    elif len(mine) == 1:
        default = StartChoice(tenant=mine[0].name, start=Start.CONTINUE)
    pending = next((found for row in rows.values() if (found := operations.open_of(work.tx, row.id)) is not None), None)
    return StartOptions(tenants=shown, default=default, operation=None if pending is None else pending.operation)


def _tenant(work: Work, tenant: Tenant, user: str, row: ServerRow | None) -> TenantOptions:
    profiles = work.context.catalogue.allowed(tenant)
    server = None if row is None else row.id
    here = room(work, tenant, but=server)
    has_home = tenants.find_owner(work.tx, user, tenant.id) is not None
    refusals = usage.refusals(work, here, Wanted(user, server, not has_home), profiles.values())
    images = [
        _card(made, refusals[made.name], image=each) for each, made in team_images.startable(work, tenant).values()
    ]
    return TenantOptions(
        name=tenant.name,
        title=tenant.title,
        profiles=(*(_card(each, refusals[each.name]) for each in profiles.values()), *images),
        checkpoints=() if row is None else tuple(checkpoints.of_servers(work.tx, [row.id])),
        use=usage.uses(tenant, here.held, user),
        waiting=len(here.waiting),
    )


def _card(profile: Profile, refusal: str, *, image: TeamImage | None = None) -> ProfileCard:
    return ProfileCard(
        name=profile.name,
        team_image="" if image is None else image.name,
        title=profile.title,
        description=profile.description if image is None else _said(image),
        cpu=profile.resources.cpu,
        memory=profile.resources.memory,
        refusal=refusal,
    )


def _said(image: TeamImage) -> str:
    made = image.made_from
    return (
        f"Your team's image: the environment of {made.user} as of {made.saved_at:%d %B %Y}, on profile {image.profile}."
    )

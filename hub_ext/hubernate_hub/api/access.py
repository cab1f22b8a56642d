"""Who may do what with tenants: the only place where it is decided. A route declares what it needs; `Door` holds it.

A tenant that a person is not in is 404, the same as one that does not exist (P5). A right that they lack in a tenant of
theirs is 403.
"""

from collections.abc import Iterable
from enum import IntEnum

from hubernate_core.errors import NotAllowed, NotFound, Stale
from hubernate_core.names import TenantId, is_slug
from hubernate_core.tenant import Role

from ..actor import Actor
from ..context import Work
from ..store import members, tenants
from ..store.tenants import TenantRow
from .sessions import Person
from .versions import is_match


class Standing(IntEnum):
    """What a person is to a tenant; a higher one may all that a lower one may."""

    NOBODY = 0
    MEMBER = 1
    TENANT_ADMIN = 2
    PLATFORM_ADMIN = 3

    @property
    def words(self) -> str:
        """For a sentence, the audit log and the OpenAPI document."""
        return self.name.lower().replace("_", "-")


def standing_in(work: Work, person: Person, tenant: TenantId) -> Standing:
    """What `person` is to `tenant`."""
    return standings_in(work, person, [tenant])[tenant]


def standings_in(work: Work, person: Person, some: Iterable[TenantId]) -> dict[TenantId, Standing]:
    """What `person` is to each of `some`, in the same queries however many they are."""
    if person.admin:
        return dict.fromkeys(some, Standing.PLATFORM_ADMIN)
    roles = members.roles_of(work.tx, person.hub_name, person.groups)
    by_role = {None: Standing.NOBODY, Role.MEMBER: Standing.MEMBER, Role.ADMIN: Standing.TENANT_ADMIN}
    return {each: by_role[roles.get(each)] for each in some}


class Door:
    """One request to a route that needs a standing."""

    def __init__(self, person: Person, need: Standing, *, origin: str = "", request_id: str = "") -> None:
        self.person, self.need, self.origin, self.request_id = person, need, origin, request_id

    def actor(self, standing: Standing) -> Actor:
        """The person, as the audit log names them."""
        return Actor(self.person.hub_name, standing.words, self.person.admin, self.origin, self.request_id)

    def tenant(self, work: Work, name: str, *, hold: bool = False) -> TenantRow:
        """The tenant called `name`; with `hold`, nobody else changes it until the transaction ends.

        Raises:
            NotFound: there is none, or the person is not in it.  NotAllowed: they are, and may not do this.
        """
        row = tenants.find(work.tx, name, hold=hold) if is_slug(name) else None
        standing = Standing.NOBODY if row is None else standing_in(work, self.person, row.id)
        if row is None or standing is Standing.NOBODY:
            raise NotFound("there is no such team, or you are not in it")
        if standing < self.need:
            raise NotAllowed(f"this needs the role {self.need.words}; yours is {standing.words}. Nothing was changed")
        return row

    def mine(self, work: Work) -> list[TenantId] | None:
        """Ids of the tenants the person is in with what the route needs; None: all, for a platform admin."""
        if self.person.admin:
            return None
        needed = {Role.ADMIN} if self.need is Standing.TENANT_ADMIN else set(Role)
        roles = members.roles_of(work.tx, self.person.hub_name, self.person.groups)
        return [tenant for tenant, role in roles.items() if role in needed]


def check_match(row: TenantRow, if_match: str | None) -> None:
    """Refuse a change of what the caller has not seen.

    Raises:
        Stale: `if_match` names other versions than the present one.
    """
    if not is_match(row.version, if_match):
        raise Stale(
            f"team {row.name!r} was changed since you read it (its version is {row.version} now); nothing was changed."
            " Read it again, then repeat your change",
            tenant=row.name,
            version=row.version,
        )

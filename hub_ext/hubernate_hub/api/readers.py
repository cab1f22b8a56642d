"""Who uses data: the notebook that a relay token names, or a person with a Hub token in one of their tenants."""

from typing import Annotated

from fastapi import Depends

from ..context import Work
from ..data.reader import Reader
from .access import Standing, standing_in
from .auth import ContextOf, RelayedServer
from .door import Entered


async def relayed_reader(row: RelayedServer) -> Reader:
    """The owner of the notebook that asks, in the tenant it runs in."""
    return Reader(row.tenant_id, row.user)


async def person_in_tenant(context: ContextOf, door: Entered, tenant: str) -> Reader:
    """The person in the tenant of this name, with the standing that the route needs.

    Raises:
        NotFound: the same for a tenant that is not theirs as for one that does not exist.
        NotAllowed: a member who only reads.
    """

    def use(work: Work) -> Reader:
        found = door.tenant(work, tenant)
        governs = standing_in(work, door.person, found.id) >= Standing.TENANT_ADMIN
        return Reader(found.id, door.person.user, governs)

    return await context.read(use)


InTenant = Annotated[Reader, Depends(person_in_tenant)]

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
    """The person in the tenant of this name, with the standing that the route needs. Raises as `Door.tenant`."""

    def use(work: Work) -> Reader:
        row = door.tenant(work, tenant)
        standing = standing_in(work, door.person, row.id)
        governs, platform = standing >= Standing.TENANT_ADMIN, standing is Standing.PLATFORM_ADMIN
        return Reader(row.id, door.person.user, governs, platform, door.actor(standing))

    return await context.read(use)


InTenant = Annotated[Reader, Depends(person_in_tenant)]

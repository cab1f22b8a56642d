"""Who uses data: the notebook that a relay token names, or a person with a Hub token in one of their tenants."""

from typing import Annotated

from fastapi import Depends

from hubernate_core.errors import NotAllowed

from ..context import Work
from ..data.reader import Reader
from .access import Door, Standing, standing_in
from .auth import ContextOf, RelayedServer, SignedIn


async def relayed_reader(row: RelayedServer) -> Reader:
    """The owner of the notebook that asks, in the tenant it runs in."""
    return Reader(row.tenant_id, row.user)


async def person_in_tenant(context: ContextOf, person: SignedIn, tenant: str) -> Reader:
    """The person in the tenant of this name.

    Raises:
        NotFound: the same for a tenant that is not theirs as for one that does not exist.
    """

    def use(work: Work) -> Reader:
        found = Door(person, Standing.MEMBER).tenant(work, tenant)
        return Reader(found.id, person.user, standing_in(work, person, found.id) >= Standing.TENANT_ADMIN)

    return await context.read(use)


async def governing(reader: Annotated[Reader, Depends(person_in_tenant)]) -> Reader:
    """As `person_in_tenant`, for those who may change something.

    Raises:
        NotAllowed: a member who only reads.
    """
    if not reader.governs:
        raise NotAllowed("only admins change sources; ask one of your tenant")
    return reader


InTenant = Annotated[Reader, Depends(person_in_tenant)]
Governs = Annotated[Reader, Depends(governing)]

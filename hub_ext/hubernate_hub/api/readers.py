"""Who uses data: the notebook that a relay token names, or a person with a Hub token in one of their tenants; and what
they open.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from hubernate_core.errors import NotAllowed
from hubernate_core.source import Level

from ..context import Context, Work
from ..data import access
from ..data.calls import Opened
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


async def open_for(
    context: Context, reader: Reader, source: str, verb: str, wanted: Level = Level.READ, *, count: bool = True
) -> Opened:
    """A source that the reader may use; what they may not is counted as refused. Raises as `access.open_source`."""

    def use(work: Work) -> Opened:
        return access.open_source(work, context.data.cipher, reader, source, wanted)

    try:
        opened = await context.read(use)
    except NotAllowed:
        refused = await context.read(access.find, reader, source)
        context.data.reads.note(reader, refused, "refused", 0, context.clock())
        raise
    if count:
        context.data.reads.note(reader, opened.source, verb, 0, context.clock())
    return opened


def counting(context: Context, reader: Reader, opened: Opened, verb: str) -> Callable[[int], None]:
    """Notes so many bytes of one call."""
    return lambda moved: context.data.reads.note(reader, opened.source, verb, moved, context.clock())

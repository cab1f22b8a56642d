"""Who may use which source. Every door (relay, people, pages) asks here and nowhere else."""

from collections.abc import Iterable

from hubernate_core.errors import NotAllowed, NotFound
from hubernate_core.names import SourceId, TenantId
from hubernate_core.source import Level, Source

from ..context import Work
from ..store import sources
from .calls import Opened
from .cipher import Cipher
from .reader import Reader


def visible(work: Work, reader: Reader) -> list[Source]:
    """The sources that the reader may at least read (all of the tenant, for those who govern), by name."""
    return visible_in(work, [reader])[reader.tenant_id]


def visible_in(work: Work, readers: Iterable[Reader]) -> dict[TenantId, list[Source]]:
    """`visible` for the same person in several tenants, each with its reader, in one query."""
    by_tenant = {each.tenant_id: each for each in readers}
    found: dict[TenantId, list[Source]] = {each: [] for each in by_tenant}
    for source in sources.of_tenants(work.tx, by_tenant):
        reader = by_tenant[source.tenant_id]
        if reader.governs or source.grants.level_of(reader.user).allows(Level.READ):
            found[source.tenant_id].append(source)
    return found


def find(work: Work, reader: Reader, name: str, wanted: Level = Level.READ) -> Source:
    """The source that the reader calls `name`.

    Raises:
        NotFound: there is none for them: the same words whether it does not exist, is another tenant's or not granted.
        NotAllowed: they may read it, and want to write.
    """
    source = sources.named(work.tx, reader.tenant_id, name[:100])
    level = Level.NONE if source is None else source.grants.level_of(reader.user)
    if source is None or not (level.allows(Level.READ) or reader.governs):
        raise NotFound("you have no source of that name; `hubernate sources list TEAM` shows those you have")
    if not level.allows(wanted) and not (reader.governs and wanted is Level.READ):
        raise NotAllowed(f"you may read the source {source.name!r}, not write to it; a tenant admin can grant that")
    if wanted is Level.WRITE and not source.writable_kind:
        raise NotAllowed(f"{source.name!r} is a {source.place.kind} source, which is read only")
    return source


def open_source(work: Work, cipher: Cipher, reader: Reader, name: str, wanted: Level = Level.READ) -> Opened:
    """The source with its credential. Raises as `find` and `Cipher.open`."""
    source = find(work, reader, name, wanted)
    stored = sources.sealed(work.tx, source.id)
    return Opened(source, {} if stored is None else cipher.open(stored, owner_of(source.tenant_id, source.id)))


def owner_of(tenant: TenantId, source: SourceId) -> str:
    """What a sealed credential is bound to."""
    return f"source {tenant}/{source}"

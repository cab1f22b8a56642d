"""Rows of sources, their sealed credentials, what was last seen of them, and who read how much."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from hubernate_core.names import SourceId, TenantId
from hubernate_core.source import Source, SourceSpec

from .database import Tx
from .schema import source_reads, source_views, sources

_VIEWS = 500


@dataclass(frozen=True)
class Read:
    """What one person did with one source in one hour. `moved` is bytes."""

    tenant_id: TenantId
    source_id: SourceId
    source: str
    user: str
    verb: str
    hour: datetime
    calls: int
    moved: int


@dataclass(frozen=True)
class View:
    """The newest schema and sample of a path, and the schema before it."""

    content: dict[str, Any]
    before: dict[str, Any] | None
    taken_at: datetime


def of_tenant(tx: Tx, tenant: TenantId) -> list[Source]:
    """A tenant's sources by name."""
    return of_tenants(tx, [tenant])


def of_tenants(tx: Tx, some: Iterable[TenantId]) -> list[Source]:
    """The sources of some tenants, by name."""
    query = select(sources).where(sources.c.tenant_id.in_(sorted(some))).order_by(sources.c.name)
    return [_source(row) for row in tx.execute(query)]


def everywhere(tx: Tx) -> list[Source]:
    """Every tenant's sources."""
    return [_source(row) for row in tx.execute(select(sources))]


def named(tx: Tx, tenant: TenantId, name: str) -> Source | None:
    """One source."""
    query = select(sources).where(sources.c.tenant_id == tenant, sources.c.name == name)
    row = tx.execute(query).one_or_none()
    return None if row is None else _source(row)


def add(tx: Tx, source: Source, credential: dict[str, str] | None) -> None:
    """Store a new source; `credential` is sealed."""
    values = {"spec": source.spec.model_dump(mode="json"), "credential": credential, "version": 1}
    facts = {name: getattr(source, name) for name in ("id", "tenant_id", "name", "created_by", "changed_at")}
    tx.execute(insert(sources).values(**facts, **values, credential_changed_at=source.credential_changed_at))


def change(tx: Tx, source: Source, spec: SourceSpec, now: datetime) -> None:
    """Store a new spec; what was seen of the source is forgotten when its place changed."""
    values = {"name": spec.name, "spec": spec.model_dump(mode="json"), "version": source.version + 1, "changed_at": now}
    tx.execute(update(sources).where(sources.c.id == source.id).values(**values))
    if spec.place != source.place:
        tx.execute(delete(source_views).where(source_views.c.source_id == source.id))


def set_credential(tx: Tx, source: Source, credential: dict[str, str] | None, now: datetime) -> None:
    """Store another sealed credential, or none."""
    values = {"credential": credential, "credential_changed_at": now if credential else None}
    query = update(sources).where(sources.c.id == source.id)
    tx.execute(query.values(**values, version=source.version + 1, changed_at=now))


def remove(tx: Tx, source: SourceId) -> None:
    """Forget a source. The counts of who read it stay."""
    tx.execute(delete(source_views).where(source_views.c.source_id == source))
    tx.execute(delete(sources).where(sources.c.id == source))


def sealed(tx: Tx, source: SourceId) -> dict[str, str] | None:
    """A source's sealed credential."""
    found = tx.execute(select(sources.c.credential).where(sources.c.id == source)).scalar_one_or_none()
    return None if found is None else dict(found)


def every_sealed(tx: Tx) -> list[tuple[TenantId, SourceId, dict[str, str]]]:
    """All sealed credentials, held until the transaction ends."""
    query = select(sources.c.tenant_id, sources.c.id, sources.c.credential).with_for_update()
    return [(row.tenant_id, row.id, dict(row.credential)) for row in tx.execute(query) if row.credential is not None]


def reseal(tx: Tx, source: SourceId, credential: dict[str, str]) -> None:
    """Store the same credential under another key: no new version, nothing that is read is disturbed."""
    tx.execute(update(sources).where(sources.c.id == source).values(credential=credential))


def view(tx: Tx, source: SourceId, path: str) -> View | None:
    """What was last seen at `path`."""
    query = select(source_views).where(source_views.c.source_id == source, source_views.c.path_sha256 == _digest(path))
    row = tx.execute(query).one_or_none()
    return None if row is None else View(row.content, row.before, row.taken_at)


def keep_view(tx: Tx, seen: Source, path: str, content: dict[str, Any], now: datetime) -> View:
    """Store what was just seen of `seen`, unless it was changed or deleted meanwhile.

    The schema before it stays beside it while it differs. The newest 500 of a source are kept: there are as many paths
    as somebody cares to name.
    """
    source = seen.id
    known = view(tx, source, path)
    where = (source_views.c.source_id == source) & (source_views.c.path_sha256 == _digest(path))
    before = None if known is None else known.before
    if known is not None and known.content["schema"]["columns"] != content["schema"]["columns"]:
        before = known.content["schema"]
    if tx.execute(select(sources.c.id).where(sources.c.id == source, sources.c.version == seen.version)).first():
        tx.execute(delete(source_views).where(where))
        values = {"source_id": source, "path_sha256": _digest(path), "path": path[:1024], "content": content}
        tx.execute(insert(source_views).values(**values, before=before, taken_at=now))
        older = select(source_views.c.path_sha256).where(source_views.c.source_id == source)
        older = older.order_by(source_views.c.taken_at.desc(), source_views.c.path_sha256).offset(_VIEWS)
        drop = list(tx.execute(older).scalars())
        if drop:
            gone = source_views.c.path_sha256.in_(drop)
            tx.execute(delete(source_views).where(source_views.c.source_id == source, gone))
    return View(content, before, now)


def add_read(tx: Tx, read: Read) -> None:
    """Add to what was counted in that hour."""
    names = ("source_id", "user", "verb", "hour")
    where = [source_reads.c[name] == getattr(read, name) for name in names]
    known = tx.execute(select(source_reads.c.calls, source_reads.c.moved).where(*where).with_for_update()).one_or_none()
    if known is None:
        tx.execute(insert(source_reads).values(**vars(read)))
        return
    calls, moved = known.calls + read.calls, known.moved + read.moved
    tx.execute(update(source_reads).where(*where).values(calls=calls, moved=moved))


def reads(tx: Tx, tenant: TenantId, limit: int) -> list[Read]:
    """Who read what in a tenant, newest hour first."""
    query = select(source_reads).where(source_reads.c.tenant_id == tenant)
    query = query.order_by(source_reads.c.hour.desc(), source_reads.c.source, source_reads.c.user, source_reads.c.verb)
    return [Read(**row._mapping) for row in tx.execute(query.limit(limit))]


def _source(row: Row[Any]) -> Source:
    facts = ("id", "tenant_id", "credential_changed_at", "created_by", "changed_at", "version")
    known = {name: getattr(row, name) for name in facts} | {"has_credential": row.credential is not None}
    return Source.model_validate(row.spec | known)


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()

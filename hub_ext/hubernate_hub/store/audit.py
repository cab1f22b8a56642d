"""The audit log: who did what to whom, when and from where. Append only; a digest chain tells of any change.

Source of the chain's form: each digest is SHA-256 over the former digest and the row as canonical JSON.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from hubernate_core.names import TenantId

from .database import Tx
from .schema import audit, audit_head

_ROWS = 1000


@dataclass(frozen=True)
class Entry:
    """One thing that was done. `at` is UTC; `before` and `after` are what changed, without secrets."""

    at: datetime
    actor: str
    role: str
    action: str
    target: str
    tenant_id: TenantId | None = None
    origin: str = ""
    before: Any = None
    after: Any = None
    request_id: str = ""
    seq: int = 0
    sha256: str = ""


def append(tx: Tx, entry: Entry) -> None:
    """Write `entry` behind the newest one; others who write wait until this transaction ends, so do it last."""
    head = tx.execute(select(audit_head).where(audit_head.c.id == 1).with_for_update()).one()
    seq = head.seq + 1
    values = asdict(entry) | {"seq": seq}
    values["sha256"] = _digest(head.sha256, values)
    tx.execute(insert(audit).values(**values, previous_sha256=head.sha256))
    tx.execute(update(audit_head).where(audit_head.c.id == 1).values(seq=seq, sha256=values["sha256"]))


def page(tx: Tx, *, before: int | None, limit: int, tenant: TenantId | None = None, action: str = "") -> list[Entry]:
    """Up to `limit` entries older than number `before`, newest first; of one tenant, and of one action, if given."""
    query = select(audit)
    if before is not None:
        query = query.where(audit.c.seq < before)
    if tenant is not None:
        query = query.where(audit.c.tenant_id == tenant)
    if action:
        query = query.where(audit.c.action == action)
    return [_entry(row) for row in tx.execute(query.order_by(audit.c.seq.desc()).limit(limit))]


def first_break(tx: Tx) -> int | None:
    """The number of the first entry that is not as it was written, or missing; None: the whole log is.

    Numbers count from 1 without a gap, and the head says how far, so that a cut end is seen too.
    """
    expected, digest = 1, ""
    for row in _rows(tx):
        values = asdict(_entry(row))
        if row.seq != expected or row.previous_sha256 != digest or row.sha256 != _digest(digest, values):
            return expected
        expected, digest = expected + 1, row.sha256
    head = tx.execute(select(audit_head)).one()
    return None if (head.seq, head.sha256) == (expected - 1, digest) else expected


def _rows(tx: Tx) -> Iterator[Row[Any]]:
    last = 0
    while rows := tx.execute(select(audit).where(audit.c.seq > last).order_by(audit.c.seq).limit(_ROWS)).all():
        yield from rows
        last = rows[-1].seq


def _entry(row: Row[Any]) -> Entry:
    values = dict(row._mapping)
    values.pop("previous_sha256")
    return Entry(**values)


def _digest(previous: str, values: dict[str, Any]) -> str:
    content = {name: value for name, value in values.items() if name != "sha256"}
    content["at"] = content["at"].astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps([previous, content], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()

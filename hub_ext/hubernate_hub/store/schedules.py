"""Schedule rows."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update

from hubernate_core.names import CheckpointId, JobId, OperationId, ScheduleId, ServerId, TenantId
from hubernate_core.schedule_request import ScheduleRequest

from .database import Tx
from .schema import notices, schedules


@dataclass(frozen=True)
class ScheduleRow:
    """One schedule; its fields as the table says."""

    id: ScheduleId
    tenant_id: TenantId
    user: str
    hub_name: str
    request: ScheduleRequest
    planned_at: datetime
    created_at: datetime
    enabled: bool = True
    server_id: ServerId | None = None
    operation_id: OperationId | None = None
    checkpoint_id: CheckpointId | None = None
    held_at: datetime | None = None
    job_id: JobId | None = None
    ran_for: datetime | None = None
    judged: bool = True
    failing: bool = False
    problem: str = ""
    untold: str = ""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.request.job.label


def get(tx: Tx, schedule: ScheduleId) -> ScheduleRow | None:
    """One schedule."""
    row = tx.execute(select(schedules).where(schedules.c.id == schedule)).one_or_none()
    return None if row is None else _row(row)


def lock(tx: Tx, schedule: ScheduleId) -> ScheduleRow | None:
    """One schedule, held until the transaction ends. Whoever holds its tenant too took that one first."""
    row = tx.execute(select(schedules).where(schedules.c.id == schedule).with_for_update()).one_or_none()
    return None if row is None else _row(row)


def to_look_at(tx: Tx, now: datetime) -> list[ScheduleRow]:
    """Those whose time came, that hold one, whose environment is being saved, or whose run was not judged yet."""
    due = and_(schedules.c.enabled, or_(schedules.c.planned_at <= now, schedules.c.held_at.is_not(None)))
    query = select(schedules).where(or_(due, schedules.c.operation_id.is_not(None), ~schedules.c.judged))
    return [_row(row) for row in tx.execute(query.order_by(schedules.c.planned_at, schedules.c.id))]


def page(
    tx: Tx, tenant: TenantId, *, hub_name: str | None = None, offset: int = 0, limit: int = 100
) -> tuple[list[ScheduleRow], int]:
    """A tenant's schedules, newest first, and how many there are: of one person, or of all (None)."""
    mine = _of(tenant, hub_name)
    total = tx.execute(select(func.count()).select_from(schedules).where(*mine)).scalar_one()
    query = select(schedules).where(*mine).order_by(schedules.c.created_at.desc(), schedules.c.id)
    return [_row(row) for row in tx.execute(query.offset(offset).limit(limit))], total


def count(tx: Tx, tenant: TenantId, hub_name: str) -> int:
    """How many one person has in a tenant."""
    return tx.execute(select(func.count()).select_from(schedules).where(*_of(tenant, hub_name))).scalar_one()


def _of(tenant: TenantId, hub_name: str | None) -> list[ColumnElement[bool]]:
    return [schedules.c.tenant_id == tenant] + ([] if hub_name is None else [schedules.c.hub_name == hub_name])


def add(tx: Tx, row: ScheduleRow) -> None:
    """Store a new schedule."""
    tx.execute(insert(schedules).values(**_values(row)))


def save(tx: Tx, row: ScheduleRow) -> None:
    """Store what became of a schedule."""
    values = _values(row)
    tx.execute(update(schedules).where(schedules.c.id == values.pop("id")).values(**values))


def remove(tx: Tx, schedule: ScheduleId) -> None:
    """Forget a schedule, and what was still to be told of it. Its runs stay."""
    tx.execute(delete(notices).where(notices.c.schedule_id == schedule))
    tx.execute(delete(schedules).where(schedules.c.id == schedule))


def forget_all_of(tx: Tx, tenant: TenantId) -> None:
    """Forget a deleted tenant's schedules."""
    tx.execute(delete(notices).where(notices.c.tenant_id == tenant))
    tx.execute(delete(schedules).where(schedules.c.tenant_id == tenant))


def files_of(tx: Tx) -> set[str]:
    """Digests of the files that some schedule names."""
    return set(tx.execute(select(schedules.c.request["job"]["files"].as_string()).distinct()).scalars()) - {""}


_NAMES = tuple(each.name for each in fields(ScheduleRow))


def _row(row: Row[Any]) -> ScheduleRow:
    values = dict(row._mapping)
    return ScheduleRow(**values | {"request": ScheduleRequest.model_validate(values["request"])})


def _values(row: ScheduleRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _NAMES} | {"request": row.request.model_dump(mode="json")}


@dataclass(frozen=True)
class Notice:
    """One thing to tell one address."""

    id: str
    schedule_id: ScheduleId
    tenant_id: TenantId
    channel: str
    address: str
    content: dict[str, str]
    tries: int
    due_at: datetime


def add_notices(tx: Tx, some: Iterable[Notice]) -> None:
    """Store what is to be told."""
    for each in some:
        tx.execute(insert(notices).values(**vars(each)))


def due_notices(tx: Tx, now: datetime, of_team: int) -> list[Notice]:
    """What is to be told by now, at most `of_team` of each team: every team's longest due first, then the next ones."""
    first = func.row_number().over(partition_by=notices.c.tenant_id, order_by=(notices.c.due_at, notices.c.id))
    ranked = select(notices.c.id, first.label("turn")).where(notices.c.due_at <= now).subquery()
    query = select(notices).join(ranked, ranked.c.id == notices.c.id).where(ranked.c.turn <= of_team)
    query = query.order_by(ranked.c.turn, notices.c.due_at, notices.c.id)
    return [Notice(**row._mapping) for row in tx.execute(query)]


def put_off(tx: Tx, notice: Notice, due_at: datetime) -> None:
    """Try once more later."""
    tx.execute(update(notices).where(notices.c.id == notice.id).values(tries=notice.tries + 1, due_at=due_at))


def drop_notice(tx: Tx, notice: Notice, problem: str) -> None:
    """It was told (no `problem`), or given up. One address that was reached does not make up for another."""
    tx.execute(delete(notices).where(notices.c.id == notice.id))
    if problem:
        tx.execute(update(schedules).where(schedules.c.id == notice.schedule_id).values(untold=problem))

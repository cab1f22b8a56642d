"""Agents that were ever heard, and answers kept for repeated requests."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from .database import Tx
from .schema import agents, idempotency


@dataclass(frozen=True)
class Agent:
    """One node's agent. `last_seen_at` is UTC, for people; decisions use the monotonic clock in `fleet`."""

    node: str
    version: str
    last_seen_at: datetime


def heard(tx: Tx, node: str, version: str, now: datetime) -> None:
    """The agent of `node` asked for work."""
    values = {"version": version[:60], "last_seen_at": now}
    if not tx.execute(update(agents).where(agents.c.node == node).values(**values)).rowcount:
        tx.execute(insert(agents).values(node=node, **values))


def all_agents(tx: Tx) -> list[Agent]:
    """Every agent, by node."""
    return [
        Agent(row.node, row.version, row.last_seen_at) for row in tx.execute(select(agents).order_by(agents.c.node))
    ]


@dataclass(frozen=True)
class Answered:
    """What was answered under an Idempotency-Key: the request's digest, and the answer's body."""

    user: str
    key: str
    request_sha256: str
    answer: dict[str, object]


def answer_for(tx: Tx, user: str, key: str) -> Answered | None:
    """The answer that `user` got under `key`."""
    query = select(idempotency).where(idempotency.c.user == user, idempotency.c.key == key)
    row = tx.execute(query).one_or_none()
    return None if row is None else Answered(row.user, row.key, row.request_sha256, row.answer)


def keep_answer(tx: Tx, given: Answered, now: datetime) -> None:
    """Remember an answer."""
    tx.execute(insert(idempotency).values(**asdict(given), created_at=now))


def drop_answers(tx: Tx, before: datetime) -> None:
    """Forget answers older than `before`."""
    tx.execute(delete(idempotency).where(idempotency.c.created_at < before))

"""What is done to whom, written into the audit log in the transaction that does it."""

from dataclasses import dataclass
from typing import Any

from hubernate_core.names import TenantId

from ..actor import Actor
from ..context import Work
from ..store import audit


@dataclass(frozen=True)
class Deed:
    """What is done: ``tenant.change`` of a team, with what was and what is now."""

    action: str
    target: str
    tenant_id: TenantId | None = None
    before: Any = None
    after: Any = None


def note(work: Work, actor: Actor, deed: Deed) -> None:
    """Write down a deed in the transaction in which it is done, as the last thing of it."""
    entry = audit.Entry(
        at=work.now,
        actor=actor.name,
        role=actor.role,
        action=deed.action,
        target=deed.target[:300],
        tenant_id=deed.tenant_id,
        origin=actor.origin,
        before=deed.before,
        after=deed.after,
        request_id=actor.request_id,
    )
    audit.append(work.tx, entry)

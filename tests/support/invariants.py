"""What must hold whatever fails: the invariants I1, I2, I4, I6, I7 and I9 of one node, checked after a fault."""

from hubernate_core.operation import Kind, Step

from .agent import Node
from .service import Row


def check(node: Node, rows: list[Row], container_id: str, started: float) -> None:
    """Fail when anything of the promises is broken.

    Args:
        rows: every operation of the one server.
        container_id: its notebook container.
        started: `time.time()` before the first of them.
    """
    for row in rows:
        assert row.finals == 1, f"I4: {row.finals} final results of operation {row.order.operation_id}"
        _reports_in_order(row)
    recorded = [moment for row in rows for moment, _ in row.recorded]
    removed = node.removed_at(container_id, started)
    discarded = any(row.order.kind is Kind.DISCARD for row in rows)
    if removed is not None and not discarded:
        assert recorded, "I1: the container was removed and nothing is recorded"
        assert removed >= max(recorded) - 0.05, "I1: the container was removed before its newest state was recorded"
    states = node.statuses()
    assert sum(1 for state in states.values() if state == "running") <= 1, "I2: two notebooks run"
    assert "paused" not in states.values(), "I7: a container stands still"
    for row in rows:
        for _, image in row.recorded:  # I6: what was recorded once can be used
            node.pull(image)
    if removed is None and container_id not in states:
        print("the engine forgot when it removed the container (it keeps 256 events); the order of reports decides")
        assert recorded or discarded, "I1: the container is gone and nothing is recorded"


def _reports_in_order(row: Row) -> None:
    """I9: nothing is called saved before it is, and the final word comes last."""
    steps = [report.step for _, report in row.reports]
    if row.operation.step is Step.RELEASED and row.order.kind is not Kind.DISCARD:
        assert row.recorded, "I9: released without a record"
    finals = [at for at, step in enumerate(steps) if step in (Step.RELEASED, Step.FAILED)]
    assert finals, "no final report"

"""What must hold whatever fails: the invariants I1, I2, I4, I6, I7 and I9 of one node, checked after a fault."""

import time

from hubernate_core.operation import Kind, Step

from .agent import Node
from .engine import pull
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
    removed = _moment(node, container_id, "destroy", started)
    discarded = any(row.order.kind is Kind.DISCARD for row in rows)
    if removed is not None and not discarded:
        assert recorded, "I1: the container was removed and nothing is recorded"
        assert removed >= max(recorded) - 0.05, "I1: the container was removed before its newest state was recorded"
    running = node.client.containers.list(filters={"label": f"io.hubernate.server={node.server}"})
    assert sum(1 for each in running if each.labels["io.hubernate.role"] == "notebook") <= 1, "I2: two notebooks run"
    for each in node.client.containers.list(
        all=True, ignore_removed=True, filters={"label": f"io.hubernate.instance={node.instance}"}
    ):
        assert each.status != "paused", "I7: a container stands still"
    for row in rows:
        for _, image in row.recorded:  # I6: what was recorded once can be used
            pull(node.client, f"{node.registry.name}/{node.repository}", image.digest)
    here = {each.id for each in node.client.containers.list(all=True, ignore_removed=True)}
    if removed is None and container_id not in here:
        print("the engine forgot when it removed the container (it keeps 256 events); the order of reports decides")
        assert recorded or discarded, "I1: the container is gone and nothing is recorded"


def _reports_in_order(row: Row) -> None:
    """I9: nothing is called saved before it is, and the final word comes last."""
    steps = [report.step for _, report in row.reports]
    if row.operation.step is Step.RELEASED and row.order.kind is not Kind.DISCARD:
        assert row.recorded, "I9: released without a record"
    finals = [at for at, step in enumerate(steps) if step in (Step.RELEASED, Step.FAILED)]
    assert finals, "no final report"


def _moment(node: Node, container_id: str, action: str, since: float) -> float | None:
    """When the engine did `action` to the container, None if it never did."""
    events = node.client.api.events(
        since=int(since) - 1,
        until=int(time.time()) + 1,
        filters={"container": container_id, "event": action},
        decode=True,
    )
    found = [event["timeNano"] / 1e9 for event in events]
    return found[-1] if found else None

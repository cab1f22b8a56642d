"""What is said on a pod of an operation: with its ids, once, in the API server's bounds."""

from datetime import UTC, datetime
from typing import Any

from hubernate_core.manifests.events import PodRef, make_events
from hubernate_core.names import CheckpointId, OperationId, ServerId
from hubernate_core.operation import Kind, Operation, Step, Trigger

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
POD = PodRef("hub1-t-taaaaaaaa1", "hub1-saaaaaaaa1-g7", "0b1d5e1c-0000-0000-0000-000000000000")


def said(**changes: Any) -> list[dict[str, Any]]:
    values: dict[str, Any] = {
        "id": OperationId("oaaaaaaaa1"), "server_id": ServerId("saaaaaaaa1"), "generation": 7, "kind": Kind.STOP,
        "trigger": Trigger.EVICTED, "node": "node-1", "requested_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return list(make_events(Operation(**(values | changes)), POD, {"hubernate.io/server": "saaaaaaaa1"}))


def test_it_grows_with_the_operation_and_repeats_itself_under_the_same_names() -> None:
    (begun,) = said()
    assert (begun["reason"], begun["message"]) == ("Stopping", "stopping (evicted), operation oaaaaaaaa1")
    first, second = said(step=Step.RECORDED, checkpoint_id=CheckpointId("caaaaaaaa1"))
    assert first["metadata"]["name"] == begun["metadata"]["name"] != second["metadata"]["name"]
    assert second["message"] == "checkpoint caaaaaaaa1 recorded by operation oaaaaaaaa1"
    assert second["metadata"]["annotations"]["hubernate.io/checkpoint"] == "caaaaaaaa1"
    assert second["involvedObject"] == {"apiVersion": "v1", "kind": "Pod"} | vars(POD)


def test_a_failure_is_a_warning_of_bounded_length() -> None:
    _, failed = said(step=Step.FAILED, reason="x" * 5000, finished_at=NOW)
    assert failed["type"] == "Warning" and len(failed["message"].encode()) <= 1024
    assert "nothing was removed" in failed["message"]

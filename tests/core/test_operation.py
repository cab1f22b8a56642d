"""The operation state machine: steps only go forward, repeats change nothing, finished is finished."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.errors import Conflict
from hubernate_core.names import OperationId, ServerId
from hubernate_core.operation import Kind, Operation, Outcome, Progress, Step, Trigger, advance, outcome_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IN_ORDER = [step for step in Step if step is not Step.FAILED]


def an_operation(step: Step = Step.REQUESTED, kind: Kind = Kind.STOP) -> Operation:
    return Operation(
        id=OperationId("o123456789"), server_id=ServerId("s123456789"), generation=1, kind=kind, trigger=Trigger.USER,
        node="node-1", step=step, requested_at=NOW, updated_at=NOW,
    )  # fmt: skip


def test_the_whole_walk_ends_released_with_a_time() -> None:
    operation = an_operation()
    for step in IN_ORDER[1:]:
        operation = advance(operation, step, NOW)
    assert operation.finished and operation.finished_at == NOW


@pytest.mark.parametrize("step", [step for step in IN_ORDER if step is not Step.RELEASED])
def test_any_open_step_may_fail(step: Step) -> None:
    assert advance(an_operation(step), Step.FAILED, NOW).finished


@pytest.mark.parametrize("step", list(Step))
def test_a_repeated_report_changes_no_step(step: Step) -> None:
    assert advance(an_operation(step), step, NOW).step is step


@pytest.mark.parametrize("step", [step for step in IN_ORDER if step not in (Step.RECORDED, Step.RELEASED)])
def test_nothing_is_released_before_it_is_recorded(step: Step) -> None:
    with pytest.raises(Conflict, match="cannot follow"):
        advance(an_operation(step), Step.RELEASED, NOW)


def test_a_discard_is_released_without_a_save() -> None:
    done = advance(an_operation(kind=Kind.DISCARD), Step.RELEASED, NOW)
    assert done.finished and outcome_of(done, kept=False) is Outcome.DISCARDED


def test_the_last_changes_of_a_stopping_server_keep_it_recorded() -> None:
    assert advance(an_operation(Step.RECORDED), Step.VERIFIED, NOW).step is Step.RECORDED


@pytest.mark.parametrize("final", [Step.RELEASED, Step.FAILED])
@pytest.mark.parametrize("late", list(Step))
def test_a_late_report_never_reopens_a_finished_operation(final: Step, late: Step) -> None:
    if late is final:
        later = NOW + timedelta(hours=1)
        assert advance(an_operation(final), late, later, progress=Progress(note="late")) == an_operation(final)
    else:
        with pytest.raises(Conflict):
            advance(an_operation(final), late, NOW)


@given(st.lists(st.sampled_from(list(Step)), max_size=30))
def test_no_sequence_of_reports_goes_backwards(reports: list[Step]) -> None:
    order = {step: position for position, step in enumerate(Step)}
    operation = an_operation()
    for report in reports:
        before = operation.step
        try:
            operation = advance(operation, report, NOW)
        except Conflict:
            continue
        assert order[operation.step] >= order[before]


@pytest.mark.parametrize(
    ("kind", "kept", "outcome"),
    [(Kind.SAVE, True, Outcome.SAVED), (Kind.STOP, False, Outcome.STOPPED), (Kind.STOP, True, Outcome.KEPT)],
)
def test_outcomes(kind: Kind, kept: bool, outcome: Outcome) -> None:
    assert outcome_of(an_operation(kind=kind), kept=kept) is outcome

"""Jobs after others: one starts if all before it succeeded, and never if one of them did not."""

from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.job import JobState
from hubernate_core.job_chain import Before, broken_by, waits_for
from hubernate_core.names import JobId

_states = st.lists(st.none() | st.sampled_from(JobState), max_size=6)


@given(_states)
def test_it_starts_if_and_only_if_all_succeeded_and_ends_if_one_did_not(states: list[JobState | None]) -> None:
    before = [Before(JobId(f"j{number:09}"), "x.py", state) for number, state in enumerate(states)]
    all_well = all(each is JobState.SUCCEEDED for each in states)
    never = any(each is None or (each.over and each is not JobState.SUCCEEDED) for each in states)
    assert (waits_for(before) == "") == all_well
    assert (broken_by(before) != "") == never
    assert not (all_well and never)


def test_it_says_for_which_and_why_not() -> None:
    first, second = Before(JobId("a"), "prepare.py", JobState.RUNNING), Before(JobId("b"), "y", JobState.QUEUED)
    well = Before(JobId("c"), "z", JobState.SUCCEEDED)
    assert waits_for([well, first, second]) == "It waits for prepare.py (a) and 1 more to succeed."
    assert waits_for([first]) == "It waits for prepare.py (a) to succeed."
    told = broken_by([well, first, Before(JobId("d"), "clean.py", JobState.CANCELLED)])
    assert told == "it was to run after clean.py (d), which was cancelled; it was not started"
    assert "b, which is forgotten" in broken_by([Before(JobId("b"), "", None)])

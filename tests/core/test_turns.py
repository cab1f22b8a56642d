"""Turns: nobody waits for all of another team's work."""

from hubernate_core.turns import Waiting, in_turn


def test_teams_take_turns_and_within_one_the_oldest_is_first() -> None:
    waiting = [Waiting(name, name[0]) for name in ("a1", "a2", "a3", "b1", "a4", "c1", "b2")]
    assert in_turn(waiting, {}) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_what_a_team_has_in_hand_were_its_turns() -> None:
    waiting = [Waiting(name, name[0]) for name in ("a1", "a2", "b1", "b2", "b3")]
    assert in_turn(waiting, {"a": 2}) == ["b1", "b2", "a1", "b3", "a2"]


def test_what_is_urgent_waits_for_nobody() -> None:
    waiting = [Waiting("a1", "a"), Waiting("b1", "b"), Waiting("a2", "a", urgent=True)]
    assert in_turn(waiting, {"a": 9}) == ["a2", "b1", "a1"]

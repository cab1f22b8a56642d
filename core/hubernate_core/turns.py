"""Whose work comes next when many teams wait for the same few hands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Waiting(Generic[T]):
    """Something to do for a team. `urgent`: it cannot wait, since somebody else ends it at a set time."""

    what: T
    team: str
    urgent: bool = False


def in_turn(waiting: Iterable[Waiting[T]], held: Mapping[str, int]) -> list[T]:
    """What is urgent first; then one of each team after the other, within a team the oldest first.

    Args:
        waiting: oldest first.
        held: team → number of its things that are in hand already. They were its turns.
    """
    turns, numbered = dict(held), list[tuple[bool, int, T]]()
    for each in waiting:
        turns[each.team] = turn = turns.get(each.team, 0) + 1
        numbered.append((not each.urgent, turn, each.what))
    return [what for _, _, what in sorted(numbered, key=lambda each: each[:2])]

"""Where the parameters of a sweep are drawn from: lists, ranges, and what never changes. Pure."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from hubernate_core.errors import InvalidInput, shorten


@dataclass(frozen=True)
class Choice:
    """One of `values`, each as likely."""

    values: tuple[Any, ...]

    def draw(self, random: Random) -> Any:
        """One value."""
        return random.choice(self.values)


@dataclass(frozen=True)
class Uniform:
    """A number from `low` to `high`."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """One value."""
        return min(max(random.uniform(self.low, self.high), self.low), self.high)


@dataclass(frozen=True)
class LogUniform:
    """A number from `low` to `high`; each power of ten between them is as likely."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """One value."""
        found = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        return min(max(found, self.low), self.high)


@dataclass(frozen=True)
class Integers:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int

    def draw(self, random: Random) -> int:
        """One value."""
        return random.randint(self.low, self.high)


def choice(values: Iterable[Any]) -> Choice:
    """One of `values`; a list in a space is the same.

    Raises:
        InvalidInput: none is given.
    """
    found = tuple(values)
    if not found:
        raise InvalidInput("space", "a choice needs at least one value")
    return Choice(found)


def uniform(low: float, high: float) -> Uniform:
    """A number from `low` to `high`.

    Raises:
        InvalidInput: they are no range.
    """
    return Uniform(*_ordered(float(low), float(high)))


def loguniform(low: float, high: float) -> LogUniform:
    """A number from `low` to `high`, such as a learning rate: each power of ten is as likely.

    Raises:
        InvalidInput: they are no range, or `low` is not above zero.
    """
    if low <= 0:
        raise InvalidInput("space", f"loguniform({low}, {high}): the lower end is above zero")
    return LogUniform(*_ordered(float(low), float(high)))


def integers(low: int, high: int) -> Integers:
    """A whole number from `low` to `high`, both included.

    Raises:
        InvalidInput: they are no range.
    """
    return Integers(*_ordered(low.__index__(), high.__index__()))


def draw(space: Mapping[str, Any], n: int, seed: int) -> list[dict[str, Any]]:
    """`n` sets of parameters; the same ones for the same space and seed.

    Args:
        space: by parameter, one of the above; a list, tuple or range to choose from; or a value that all have.

    Raises:
        InvalidInput: a value is none that JSON has: it could not be shown, nor sent.
    """
    kinds = {name: _kind(value) for name, value in space.items()}
    for name, kind in kinds.items():
        for value in kind.values if isinstance(kind, Choice) else ():
            _check_value(name, value)
    random = Random(seed)
    return [{name: kind.draw(random) for name, kind in kinds.items()} for _ in range(n)]


def _kind(value: Any) -> Choice | Uniform | LogUniform | Integers:
    if isinstance(value, Choice | Uniform | LogUniform | Integers):
        return value
    return choice(value) if isinstance(value, list | tuple | range) else Choice((value,))


def _check_value(name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidInput(
            f"space.{name}",
            f"{shorten(repr(value), 60)}: values are numbers, text, true or false, none, or lists and dicts of them;"
            " choose by name, and look it up in the function",
        ) from problem


def _ordered(low: Any, high: Any) -> tuple[Any, Any]:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InvalidInput("space", f"from {low} to {high}: the lower end comes first, and both are numbers")
    return low, high

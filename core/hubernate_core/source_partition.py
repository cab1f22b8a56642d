"""Which of a Hive table's partitions are meant: conditions on its partition columns, with variables of time. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from .errors import InvalidInput, shorten
from .variables import fill_days

NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive writes for a row without a value."""
_CONDITION = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]{0,127})\s*(!=|<=|>=|=|<|>)(.*)", re.S)
_LONGEST = 1000
"""Characters of a condition; longer ones are not even looked at."""
_NUMBERS = re.compile(r"tinyint|smallint|int|integer|bigint|float|double|decimal.*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


@dataclass(frozen=True)
class Condition:
    """``dt>=2026-01-01``: a partition column, a comparison, a value."""

    column: str
    comparison: str
    value: str


def parse_condition(text: str, today: date, field: str = "where") -> Condition:
    """The condition that `text` means, with its variables filled in.

    Variables: ``{today}``, ``{yesterday}``, ``{today-7}`` as ISO dates, or ``{yesterday:%Y%m%d}``; days are UTC's.

    Raises:
        InvalidInput: it means none.
    """
    found = _CONDITION.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise InvalidInput(
            field, f"{shorten(text, 80)!r} is not a condition such as 'dt>={{yesterday}}' or 'country=DE'"
        )
    column, comparison, value = found[1], found[2], found[3].strip()
    if value[:1] == value[-1:] == "'" and len(value) > 1:
        value = value[1:-1]
    return Condition(column.lower(), comparison, fill(value, today, field))


def fill(text: str, today: date, field: str = "where") -> str:
    """`text` with its variables filled in.

    Raises:
        InvalidInput: braces that are no variable.
    """
    filled = fill_days(text, today)
    if "{" in filled or "}" in filled:
        raise InvalidInput(
            field, f"{shorten(text, 80)!r}: variables are {{today}}, {{yesterday}}, {{today-7}}, {{today:%Y%m%d}}"
        )
    return filled


def values_of(name: str) -> tuple[str, ...]:
    """The values in a partition's name, ``dt=2026-01-01/country=s%C3%A3o``."""
    return tuple(unquote(part.partition("=")[2]) for part in name.split("/"))


def select(
    names: Sequence[str], columns: Sequence[tuple[str, str]], conditions: Sequence[Condition]
) -> list[tuple[str, tuple[str, ...]]]:
    """Those partitions, with their values, that meet every condition, newest (largest values) first.

    Args:
        names: partitions' names, as the metastore gives them.
        columns: name and Hive type of the partition columns, in order.

    Raises:
        InvalidInput: a condition names no partition column, or a value that its type cannot have.
    """
    tests = [(_index(columns, each), each) for each in conditions]
    kept = []
    for name in names:
        values = values_of(name)
        if len(values) == len(columns) and all(_meets(values[at], columns[at][1], each) for at, each in tests):
            kept.append((name, values))
    kinds = [kind for _, kind in columns]
    return sorted(kept, key=lambda each: [_order(*pair) for pair in zip(each[1], kinds, strict=True)], reverse=True)


def _index(columns: Sequence[tuple[str, str]], condition: Condition) -> int:
    names = [name.lower() for name, _ in columns]
    if condition.column not in names:
        known = ", ".join(names) or "none"
        raise InvalidInput("where", f"{condition.column!r} is no partition column; the table has: {known}")
    at = names.index(condition.column)
    if condition.value != NULL and _NUMBERS.fullmatch(columns[at][1]) and _number(condition.value) is None:
        raise InvalidInput(
            "where", f"{condition.column} is {columns[at][1]}: {shorten(condition.value, 40)!r} is no number"
        )
    return at


def _meets(value: str, kind: str, condition: Condition) -> bool:
    if NULL in (value, condition.value):
        return condition.comparison == "=" and value == condition.value
    if _NUMBERS.fullmatch(kind):
        number = _number(value)
        return number is not None and _COMPARE[condition.comparison](number, _number(condition.value))
    return _COMPARE[condition.comparison](value, condition.value)


def _order(value: str, kind: str) -> tuple[bool, Any]:
    """A key to sort by; rows without a value come last."""
    if _NUMBERS.fullmatch(kind):
        number = _number(value)
        return (number is not None, number or Decimal(0))
    return (value != NULL, value)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None

"""Amounts of CPU, memory, storage and devices in Kubernetes' grammar, read strictly and shown in one form.

Source: k8s.io/apimachinery/pkg/api/resource/quantity.go. Exponent forms (``1e3``) are left out on purpose: nobody
writes them on purpose. Python's own parsers are not used: ``int("１２")`` is 12 and ``float("nan")`` is no error.
"""

import re
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

from .errors import InvalidInput, shorten

_QUANTITY = re.compile(r"(?P<number>[0-9]{1,16}(?:\.[0-9]{1,9})?)(?P<suffix>m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?", re.ASCII)
_FACTOR = {"": Fraction(1), "m": Fraction(1, 1000)} | {
    suffix: Fraction(base**power)
    for base, suffixes in ((1000, ("k", "M", "G", "T", "P")), (1024, ("Ki", "Mi", "Gi", "Ti", "Pi")))
    for power, suffix in enumerate(suffixes, start=1)
}
_BYTES_MAX = 1024**5
_MILLICPU_MAX = 1_000_000


def _parse(text: object, field: str) -> tuple[Fraction, str]:
    """The exact value of `text` and its suffix; InvalidInput naming `field` when it is no quantity."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise InvalidInput(field, f"{shorten(repr(text), 40)} is not a quantity; write a text such as '2' or '4Gi'")
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise InvalidInput(field, f"{shorten(str(text), 40)!r} is not a quantity; examples: '500m', '2', '4Gi', '10G'")
    suffix = match["suffix"] or ""
    return Fraction(match["number"]) * _FACTOR[suffix], suffix


def parse_quantity(text: object, field: str = "quantity") -> Fraction:
    """The exact value of any quantity: for comparing two that may be written differently.

    Raises:
        InvalidInput: not a quantity.
    """
    return _parse(text, field)[0]


def parse_bytes(text: object, field: str = "memory") -> int:
    """Bytes meant by `text`, such as ``4Gi`` or ``500M``.

    Raises:
        InvalidInput: not a quantity, a milli-byte, a fraction of a byte, zero, or over 1 PiB.
    """
    value, suffix = _parse(text, field)
    if suffix == "m" or value.denominator != 1:
        raise InvalidInput(field, f"{text!r} is not a whole number of bytes")
    if not 0 < value <= _BYTES_MAX:
        raise InvalidInput(field, f"{text!r} is not between 1 byte and 1Pi")
    return int(value)


def parse_millicpu(text: object, field: str = "cpu") -> int:
    """Thousandths of a core meant by `text`, such as ``500m`` or ``1.5``.

    Raises:
        InvalidInput: not a quantity, a byte suffix, finer than 1m, zero, or over 1000 cores.
    """
    value, suffix = _parse(text, field)
    if suffix not in ("", "m"):
        raise InvalidInput(field, f"{text!r}: cores are written as '2', '1.5' or '500m'")
    millis = value * 1000
    if millis.denominator != 1:
        raise InvalidInput(field, f"{text!r} is finer than a thousandth of a core")
    if not 0 < millis <= _MILLICPU_MAX:
        raise InvalidInput(field, f"{text!r} is not between 1m and 1000 cores")
    return int(millis)


def parse_count(text: object, field: str, maximum: int = 1_000_000) -> int:
    """A whole number of things (GPUs, servers, pids), 0 to `maximum`.

    Raises:
        InvalidInput: not a plain ASCII whole number in range.
    """
    value, suffix = _parse(text, field)
    if suffix or value.denominator != 1 or value > maximum:
        raise InvalidInput(field, f"{shorten(str(text), 40)!r} is not a whole number from 0 to {maximum}")
    return int(value)


def show_bytes(amount: int) -> str:
    """`amount` bytes for a person: decimal units, three digits, such as ``212 MB``."""
    value, unit = float(amount), "B"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 999.5 or unit == "PB":
            break
        value /= 1000
    return f"{int(value)} B" if unit == "B" else f"{value:.3g} {unit}"


def format_bytes(amount: int) -> str:
    """`amount` bytes in the shortest exact Kubernetes form: ``4Gi``, ``500M``, ``1234``."""
    for suffix in ("Pi", "Ti", "Gi", "Mi", "Ki", "P", "T", "G", "M", "k"):
        if amount and amount % int(_FACTOR[suffix]) == 0:
            return f"{amount // int(_FACTOR[suffix])}{suffix}"
    return str(amount)


def format_millicpu(millis: int) -> str:
    """Thousandths of a core in Kubernetes form: ``2`` or ``500m``."""
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def _read_bytes(text: object, info: ValidationInfo) -> int:
    return parse_bytes(text, info.field_name or "bytes")


def _read_millicpu(text: object, info: ValidationInfo) -> int:
    return parse_millicpu(text, info.field_name or "cpu")


# JSON carries the written form: 500 thousandths as a bare number would be read back as 500 cores.
_WRITTEN = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]}, mode="validation")
Bytes = Annotated[
    int, BeforeValidator(_read_bytes), PlainSerializer(format_bytes, return_type=str, when_used="json"), _WRITTEN
]
"""A model's field: written as a quantity, held as a number of bytes."""
MilliCpu = Annotated[
    int, BeforeValidator(_read_millicpu), PlainSerializer(format_millicpu, return_type=str, when_used="json"), _WRITTEN
]
"""A model's field: written as a quantity, held as thousandths of a core."""

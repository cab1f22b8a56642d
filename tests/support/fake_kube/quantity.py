"""Kubernetes quantities → exact numbers and back, written apart from the product's own reader on purpose."""

from fractions import Fraction

_SUFFIXES = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)}
_SUFFIXES |= {s: Fraction(1000**n) for n, s in enumerate("kMGTPE", 1)}
_SUFFIXES |= {s + "i": Fraction(1024**n) for n, s in enumerate("KMGTPE", 1)}


def amount(text: str | int | float) -> Fraction:
    """`500m`, `1Gi`, `2e3`, 4 → a number. ValueError otherwise."""
    said = str(text).strip()
    digits = said.rstrip("numkMGTPEKi")
    suffix = said[len(digits) :]
    if suffix not in _SUFFIXES:
        raise ValueError(f"quantity {said!r}: unknown suffix {suffix!r}")
    return Fraction(digits) * _SUFFIXES[suffix]


def written(value: Fraction, like: str = "") -> str:
    """Canonical text: binary suffixes for memory-like names, milli for fractions, else decimal."""
    if value.denominator != 1:
        return f"{-(-value.numerator * 1000 // value.denominator)}m"
    whole = int(value)
    binary = any(word in like for word in ("memory", "storage"))
    base, suffixes = (1024, ["", "Ki", "Mi", "Gi", "Ti", "Pi"]) if binary else (1000, ["", "k", "M", "G", "T", "P"])
    step = 0
    while whole and whole % base == 0 and step < 5:
        whole, step = whole // base, step + 1
    return f"{whole}{suffixes[step]}"

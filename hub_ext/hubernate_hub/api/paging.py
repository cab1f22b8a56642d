"""Pages by cursor: where the next page begins, as text that callers only hand back. It names a place, not a right."""

import base64
import binascii
from typing import Annotated

from fastapi import Query

from hubernate_core.errors import InvalidInput

Limit = Annotated[int, Query(ge=1, le=500, description="most items of one page")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="items before the page's first")]
Cursor = Annotated[str, Query(max_length=400, description="`next` of the page before; empty: the first page")]

_AS_IT_WAS = "hand back `next` of the page before as it was"


def encode(place: str) -> str:
    """`place` as a cursor."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def decode(cursor: str) -> str:
    """The place in `cursor`; empty for the first page.

    Raises:
        InvalidInput: no page ever ended with it.
    """
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as problem:
        raise InvalidInput("cursor", _AS_IT_WAS) from problem
    if place and not place.isprintable():
        raise InvalidInput("cursor", _AS_IT_WAS)
    return place


def decode_number(cursor: str) -> int | None:
    """As `decode`, for places that are numbers; None for the first page."""
    place = decode(cursor)
    if place and not (place.isascii() and place.isdigit() and len(place) < 19):
        raise InvalidInput("cursor", _AS_IT_WAS)
    return int(place) if place else None

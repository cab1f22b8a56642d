"""Versions as HTTP has them (RFC 9110, sections 8.8.3 and 13.1.1): nobody overwrites what they have not seen."""

from typing import Annotated, TypeAlias

from fastapi import Header

IfMatch: TypeAlias = Annotated[str | None, Header(max_length=200, description="ETags; another version: 412")]


def etag(version: int | str) -> str:
    """The value of the header ETag."""
    return f'"{version}"'


def is_match(version: int | str, if_match: str | None) -> bool:
    """Whether a change that is meant for the versions of `if_match` (None: for any) is meant for this one."""
    if if_match is None or if_match.strip() == "*":
        return True
    return etag(version) in [each.strip() for each in if_match.split(",")]

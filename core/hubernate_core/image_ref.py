"""References to images: strict reading, and what a profile may name (B14)."""

import re
from typing import NamedTuple

from .errors import InvalidInput, shorten

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageReference(NamedTuple):
    """``registry/repository[:tag][@digest]``; `tag` and `digest` are empty where not given."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_image(text: str, field: str = "image", *, need_digest: bool = False) -> ImageReference:
    """`text` taken apart by the grammar of distribution's reference package.

    Raises:
        InvalidInput: no registry host, credentials, upper case, ``..``, a short digest, ``:latest`` without a digest,
            or no digest where `need_digest`.
    """
    shown = shorten(text, 80)
    name, _, digest = text.partition("@")
    registry, slash, rest = name.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        raise InvalidInput(field, f"{shown!r} names no registry; write registry.example.com/name@sha256:…")
    repository, _, tag = rest.partition(":")
    if digest and not _DIGEST.fullmatch(digest):
        raise InvalidInput(field, f"{shown!r}: a digest is 'sha256:' and 64 hexadecimal digits")
    if not _HOST.fullmatch(registry) or not _PATH.fullmatch(repository) or (tag and not _TAG.fullmatch(tag)):
        raise InvalidInput(field, f"{shown!r} is not an image reference (lower case, no credentials, no '..')")
    if need_digest and not digest:
        raise InvalidInput(field, f"{shown!r} has no digest; a tag can change under you")
    if tag == "latest" and not digest:
        raise InvalidInput(field, f"{shown!r}: ':latest' is not a version; name one, or a digest")
    return ImageReference(registry, repository, tag, digest)


def check_digest(text: str, field: str = "digest") -> str:
    """`text` if it is a sha256 digest.

    Raises:
        InvalidInput: it is not.
    """
    if not _DIGEST.fullmatch(text):
        raise InvalidInput(field, f"{shorten(text, 80)!r} is not 'sha256:' and 64 hexadecimal digits")
    return text

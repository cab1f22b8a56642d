"""What a host, a URL and a word in a source may be: one plain spelling each, nothing hidden in it (B18). Pure."""

import re
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from .errors import InvalidInput, shorten
from .source_path import split_path

HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*")
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}")


class PlaceModel(BaseModel):
    """A place: strict, what is not named cannot be said."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def check_host(text: str, field: str) -> str:
    """`text` if it is a DNS name or a dotted IPv4 address in lower case; what it resolves to is judged at connection.

    Raises:
        InvalidInput: a socket path, brackets, a trailing dot, another spelling of an address, IDN in Unicode.
    """
    if not HOST.fullmatch(text) or (text.replace(".", "").isdigit() and not _is_dotted(text)) or "0x" in text:
        raise InvalidInput(field, f"{shorten(text, 80)!r} is not a host name such as 'db.example.com' or '10.0.0.5'")
    return text


def check_url(text: str, field: str, *, path: bool) -> str:
    """`text` if it is a plain http(s) URL without user, query or fragment.

    Raises:
        InvalidInput: another scheme, credentials, a query, a fragment, a dot segment, or a path where none belongs.
    """
    shown = shorten(text, 80).partition("@")[2] or shorten(text, 80)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as problem:
        raise InvalidInput(field, f"{shown!r} is not a URL") from problem
    if url.scheme not in ("http", "https"):
        raise InvalidInput(field, f"{shown!r}: use http:// or https://")
    if "@" in url.netloc or "\\" in text or not text.isascii() or any(ord(char) <= 0x20 for char in text):
        raise InvalidInput(field, f"{shown!r}: no user, password, space or backslash; secrets are a credential")
    if "?" in text or "#" in text:
        raise InvalidInput(field, f"{shown!r}: no query and no fragment")
    check_host(url.hostname or "", field)
    if port == 0 or url.netloc.endswith(":"):
        raise InvalidInput(field, f"{shown!r} has no valid port")
    if url.path not in ("", "/") and not path:
        raise InvalidInput(field, f"{shown!r}: scheme, host and port only")
    if "%" in url.path:
        raise InvalidInput(field, f"{shown!r}: no percent escapes")
    split_path(url.path.removeprefix("/"), field)
    return text


def _is_dotted(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(str(int(part)) == part and int(part) <= 255 for part in parts)


def matching(pattern: re.Pattern[str], text: str, field: str, rule: str) -> str:
    """`text` if all of it is of the pattern.

    Raises:
        InvalidInput: it is not; `rule` says what is.
    """
    if not pattern.fullmatch(text):
        raise InvalidInput(field, f"{shorten(text, 60)!r}: {rule}")
    return text

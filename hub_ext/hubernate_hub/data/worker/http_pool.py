"""What sources behind HTTP share: connections that the guard sees, encryption where it must be, bodies in pieces."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import certifi
import urllib3

from ..frames import CHUNK
from .faults import Fault
from .guard import GUARD


def open_pool(ca_file: str) -> urllib3.PoolManager:
    """Connections, verified and with time limits; no redirect is followed by itself, nothing is retried."""
    os.environ.pop("SSLKEYLOGFILE", None)
    return urllib3.PoolManager(
        ca_certs=ca_file or certifi.where(),
        timeout=urllib3.Timeout(connect=5, read=30),
        retries=False,
    )


def check_encryption(url: str) -> None:
    """Refuse a URL without encryption outside of the opened networks.

    Raises:
        Fault: it is one, or its host is closed or unknown.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        GUARD.resolve(parts.hostname or "", parts.port or 80, encrypted=False)


def kind_of(status: int) -> str:
    """Of a `Fault`, by an HTTP status: a request that the source finds wrong says nothing of how the source does."""
    if status == 416:
        return "range"
    return "invalid" if 400 <= status < 500 and status not in (408, 429) else "unavailable"


def chunks(answer: Any, length: int, who: str) -> Iterator[bytes]:
    """The `length` bytes of a body; what is left of it is not read.

    Raises:
        Fault: `who` broke off.
    """
    left = length
    try:
        while left > 0:
            # As they are stored: a server that packs them in spite of being asked not to counts its own bytes.
            part = answer.read(min(CHUNK, left), decode_content=False)
            if not part:
                raise Fault("unavailable", f"{who} broke off in the middle of the file")
            left -= len(part)
            yield part
    except urllib3.exceptions.HTTPError as problem:
        raise Fault("unavailable", f"{who} broke off ({type(problem).__name__})") from problem
    finally:
        answer.close() if left > 0 else answer.release_conn()

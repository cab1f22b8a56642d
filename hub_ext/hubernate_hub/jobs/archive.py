"""The engine's archive call, by which paths in an ended container are looked at and read. Docker Engine API 1.41."""

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import requests
from docker import APIClient

from hubernate_core.errors import Conflict, NotFound

_SYMLINK = 1 << 27
"""In the ``mode`` of a path's state: Go's os.ModeSymlink."""


def is_link(client: APIClient, container: str, path: str) -> bool:
    """Whether `path` in a container is a symbolic link.

    Raises:
        NotFound: there is nothing.
        Conflict: the engine cannot look, such as below a file.
    """
    with _archive(client, client.head, container, path) as answer:
        state = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    return bool(state["mode"] & _SYMLINK)


@contextlib.contextmanager
def read_archive(client: APIClient, container: str, path: str, piece: int) -> Iterator[Iterator[bytes]]:
    """The tar of `path` in a container, in pieces; the engine is told to stop where not all is read. docker-py's own
    call waits for the next byte without end.

    Raises:
        NotFound, Conflict: as `is_link`.
    """
    with _archive(client, client.get, container, path) as answer:
        yield answer.iter_content(piece)


def _archive(client: APIClient, method: Callable[..., Any], container: str, path: str) -> requests.Response:
    url = client._url("/containers/{0}/archive", container)  # type: ignore[attr-defined]  # there is no public way
    answer: requests.Response = method(url, params={"path": path}, timeout=client.timeout, stream=True)
    if answer.ok:
        return answer
    with answer:
        if answer.status_code == 404:
            raise NotFound("there is nothing by that path")
        raise Conflict(f"the engine could not read it (it answered {answer.status_code}); is a part of its way a file?")

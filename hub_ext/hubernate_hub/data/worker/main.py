"""A worker's life: take a call, answer it, wait for the next. It ends with the service, or is killed by it."""

import json
import resource
import socket
from collections.abc import Iterator
from typing import Any

from hubernate_core.errors import HubernateError, InvalidInput
from hubernate_core.source_network import parse_opening

from ..frames import ABORT, CALL, DATA, END, ERROR, HEAD, Channel, Gone
from .faults import Fault, scrub
from .guard import GUARD
from .tree import Call
from .verbs import answer


class Aborted(Exception):
    """The service took an upload back: what was sent of it must not be seen."""


def serve(end: socket.socket) -> None:
    """Serve calls on `end` until the service closes its own."""
    channel = Channel(end)
    GUARD.install()
    try:
        while True:
            kind, content = channel.receive()
            if kind == CALL:
                _answer(channel, json.loads(content))
    except (Gone, BrokenPipeError, ConnectionResetError):
        return


def _answer(channel: Channel, asked: dict[str, Any]) -> None:
    secrets = list(asked["credential"].values())
    GUARD.refused = None
    try:
        GUARD.openings = tuple(map(parse_opening, asked["openings"]))
        _limit_memory(asked["memory"])
        call = Call(
            **{name: asked[name] for name in ("verb", "place", "credential", "folders", "arguments", "ca_file")}
        )
        head, body = answer(call, _upload(channel))
        channel.send_json(HEAD, head)
        for part in body:
            channel.send(DATA, part)
        channel.send(END)
    except (Gone, BrokenPipeError, ConnectionResetError):
        raise
    except Aborted:
        channel.send_json(ERROR, {"kind": "unavailable", "message": "the upload was broken off; nothing was changed"})
    except Exception as problem:  # noqa: BLE001  whatever a driver throws is told, scrubbed, and the next call served
        fault = GUARD.refused or _as_fault(problem)
        channel.send_json(ERROR, {"kind": fault.kind, "message": scrub(fault.message, secrets)})


def _as_fault(problem: Exception) -> Fault:
    if isinstance(problem, Fault):
        return problem
    if isinstance(problem, InvalidInput):
        return Fault("invalid", problem.reason)
    if isinstance(problem, HubernateError):
        return Fault("invalid", problem.message)
    if isinstance(problem, MemoryError) or "malloc" in str(problem) or type(problem).__name__ == "ArrowMemoryError":
        return Fault("large", "this takes more memory than one call may use; read a smaller part")
    # Of what was asked, or of what is in a file: a source that does not answer is an OSError, also with TLS, whose
    # errors are both.
    wrong = isinstance(problem, ValueError | KeyError | TypeError) and not isinstance(problem, OSError)
    return Fault("invalid" if wrong else "unavailable", f"{type(problem).__name__}: {problem}")


def _limit_memory(limit: int) -> None:
    """Private memory, heaps and anonymous maps included (setrlimit(2), RLIMIT_DATA, since Linux 4.7)."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _upload(channel: Channel) -> Iterator[bytes]:
    while True:
        kind, content = channel.receive()
        if kind == DATA:
            yield content
        elif kind == END:
            return
        elif kind == ABORT:
            raise Aborted
        else:
            raise Gone("a call inside an upload")

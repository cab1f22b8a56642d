"""Starts supervisord and talks to it over its unix socket."""

import contextlib
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from hubernate_core.errors import InvalidInput, Unavailable

from .layout import Layout, write

SOCKET_PATH_MAX = 107
"""Bytes of a unix socket's path on Linux (unix(7))."""
START_S = 20


@dataclass(frozen=True)
class Running:
    """A program as supervisord sees it. `seconds` is since its start, 0 when it does not run."""

    name: str
    state: str
    pid: int
    seconds: int
    says: str


def config_file(layout: Layout) -> Path:
    """Where supervisord.conf lies."""
    return layout.folder("run") / "supervisord.conf"


def check_socket_path(layout: Layout) -> None:
    """Refuse a state folder whose path leaves no room for the socket.

    Raises:
        InvalidInput: the path is too long.
    """
    path = str(layout.folder("run") / "supervisor.sock")
    # supervisord makes the socket under a name with its pid first.
    if len(path.encode()) + 12 > SOCKET_PATH_MAX:
        raise InvalidInput("HUBERNATE_STATE", f"{layout.root} is too long: a socket's path has {SOCKET_PATH_MAX} bytes")


@contextlib.contextmanager
def _control(layout: Layout) -> Iterator[Any]:
    socket = layout.folder("run") / "supervisor.sock"
    transport = SupervisorTransport(None, None, f"unix://{socket}")
    try:
        yield xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
    except (OSError, xmlrpc.client.ProtocolError) as problem:
        raise Unavailable(f"supervisord does not answer on {socket}: {problem}. `hubernate up` starts it.") from problem
    finally:
        transport.close()


def is_up(layout: Layout) -> bool:
    """Whether supervisord answers."""
    if not (layout.folder("run") / "supervisor.sock").exists():
        return False
    try:
        with _control(layout) as control:
            return bool(control.getState()["statename"] == "RUNNING")
    except Unavailable:
        return False


def listing(layout: Layout) -> list[Running]:
    """Every program and its state; empty while supervisord is down."""
    if not is_up(layout):
        return []
    with _control(layout) as control:
        return [
            Running(
                each["name"],
                each["statename"],
                each["pid"],
                each["now"] - each["start"] if each["pid"] else 0,
                each["spawnerr"] or each["description"],
            )
            for each in control.getAllProcessInfo()
        ]


def ensure_running(layout: Layout, configuration: str) -> list[str]:
    """Have supervisord run with `configuration`.

    Returns:
        names of the programs that were started or restarted.

    Raises:
        Unavailable: supervisord does not come up.
    """
    changed = write(config_file(layout), configuration, 0o600)
    if not is_up(layout):
        _start(layout)
        return [each.name for each in listing(layout)]
    touched: list[str] = []
    with _control(layout) as control:
        if changed:
            [[added, modified, removed]] = control.reloadConfig()
            for name in [*modified, *removed]:
                control.stopProcessGroup(name)
                control.removeProcessGroup(name)
            for name in [*added, *modified]:
                control.addProcessGroup(name)
                touched.append(name)
        for each in control.getAllProcessInfo():
            if each["statename"] in ("STOPPED", "EXITED", "FATAL"):
                control.startProcess(each["name"], False)
                touched.append(each["name"])
    return touched


def _start(layout: Layout) -> None:
    command = [str(Path(sys.executable).with_name("supervisord")), "-c", str(config_file(layout))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Unavailable(f"supervisord does not start: {(done.stderr or done.stdout).strip()}")
    deadline = time.monotonic() + START_S
    while not is_up(layout):
        if time.monotonic() > deadline:
            raise Unavailable(f"supervisord does not answer {START_S} s after its start; see {layout.folder('log')}")
        time.sleep(0.1)


def restart(layout: Layout, name: str) -> None:
    """Stop and start one program.

    Raises:
        InvalidInput: there is no such program.
        Unavailable: supervisord is down.
    """
    with _control(layout) as control:
        names = [each["name"] for each in control.getAllProcessInfo()]
        if name not in names:
            raise InvalidInput("name", f"{name!r} is none of {', '.join(names)}")
        control.stopProcess(name)
        control.startProcess(name, False)


def stop(layout: Layout, names: tuple[str, ...] = ()) -> None:
    """Stop the programs `names`, or everything and supervisord itself; returns once they are gone."""
    if not is_up(layout):
        return
    with _control(layout) as control:
        for name in names:
            control.stopProcess(name)
        if names:
            return
        control.shutdown()
    pid_file = layout.folder("run") / "supervisord.pid"
    deadline = time.monotonic() + 90
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)

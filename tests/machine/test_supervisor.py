"""A real supervisord: starts what is missing, restarts what changed and nothing else, and goes away whole."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_machine import supervisor
from hubernate_machine.layout import Layout, ensure_folders
from hubernate_machine.programs import Program, configuration


@pytest.fixture
def layout() -> Iterator[Layout]:
    # pytest's own folders are too deep for a socket's path.
    made = Layout(Path(f"/tmp/hbn-test-{secrets.token_hex(4)}"))
    ensure_folders(made)
    yield made
    time.sleep(0.5)  # between fork and exec supervisord's own handler takes a SIGTERM, and nobody ends
    supervisor.stop(made)
    for path in sorted(made.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    made.root.rmdir()


def text(layout: Layout, **seconds: int) -> str:
    made = [Program(name, ["sleep", str(each)], layout.root, 1) for name, each in seconds.items()]
    return configuration(made, layout)


def pids(layout: Layout) -> dict[str, int]:
    return {each.name: each.pid for each in supervisor.listing(layout) if each.pid}


def soon(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not check():
        assert time.monotonic() < deadline, "not within 15 s"
        time.sleep(0.1)


def test_a_changed_program_is_restarted_and_the_other_is_not(layout: Layout) -> None:
    supervisor.ensure_running(layout, text(layout, proxy=1000, hub=1000))
    soon(lambda: pids(layout).keys() == {"proxy", "hub"})
    before = pids(layout)
    assert supervisor.ensure_running(layout, text(layout, proxy=1000, hub=1000)) == []
    assert supervisor.ensure_running(layout, text(layout, proxy=1000, hub=1001)) == ["hub"]
    soon(lambda: pids(layout).get("hub", before["hub"]) != before["hub"])
    assert pids(layout)["proxy"] == before["proxy"]


def test_what_ended_is_started_again(layout: Layout) -> None:
    supervisor.ensure_running(layout, text(layout, hub=1000))
    soon(lambda: "hub" in pids(layout))
    killed = pids(layout)["hub"]
    time.sleep(5.5)  # startsecs: before that a death counts as a failed start
    os.kill(killed, 9)
    soon(lambda: pids(layout).get("hub", killed) != killed)


def test_stopping_leaves_no_process(layout: Layout) -> None:
    supervisor.ensure_running(layout, text(layout, registry=1000))
    soon(lambda: "registry" in pids(layout))
    pid = pids(layout)["registry"]
    supervisor.stop(layout)
    assert not Path(f"/proc/{pid}").exists()
    assert not supervisor.is_up(layout)
    assert supervisor.listing(layout) == []


def test_the_socket_and_configuration_are_private(layout: Layout) -> None:
    supervisor.ensure_running(layout, text(layout, hub=1000))
    assert (layout.folder("run") / "supervisor.sock").stat().st_mode & 0o077 == 0
    assert supervisor.config_file(layout).stat().st_mode & 0o077 == 0


def test_an_unknown_program_is_refused(layout: Layout) -> None:
    supervisor.ensure_running(layout, text(layout, hub=1000))
    with pytest.raises(InvalidInput, match="hub"):
        supervisor.restart(layout, "huub")


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="HUBERNATE_STATE"):
        supervisor.check_socket_path(Layout(tmp_path / ("x" * 90)))

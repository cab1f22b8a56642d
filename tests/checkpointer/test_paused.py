"""A notebook that somebody paused by hand is doubted like one that runs."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hubernate_core.operation import Kind, Step
from support.agent import Node, succeeded
from support.engine import merged

pytestmark = pytest.mark.docker
MAPPER = Path(__file__).parents[1] / "support/mapper.c"
_ENDS_SLOWLY = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done"


def test_what_a_paused_process_has_mapped_is_saved_again_once_it_went_on(node: Node) -> None:
    """Its page is dirty already: what it writes after the pause moves no time of its file."""
    container = node.notebook(command=["/bin/sh", "-c", _ENDS_SLOWLY])
    root = merged(container)
    subprocess.run(["gcc", "-static", "-O2", "-o", str(root / "opt/mapper"), str(MAPPER)], check=True)
    container.exec_run(["/opt/mapper", "/opt/mapped"], detach=True)
    _wait_for(root / "opt/mapped", b"zero\n")
    time.sleep(0.3)  # longer than a file's times are doubted anyhow
    mapper = next(int(row[0]) for row in container.top(ps_args="-eo pid,args")["Processes"] if "/opt/mapper" in row[1])
    container.pause()

    def on_step(step: str) -> None:
        if step == "after:thawed":
            os.kill(mapper, signal.SIGUSR1)  # comes when the stop lets it go on

    node.start_agent(on_step, stop_grace_s=10)
    row = node.save(container, Kind.STOP)
    succeeded(row.operation)
    assert (merged(node.resume(row.recorded[-1][1])) / "opt/mapped").read_bytes() == b"last\n"


def test_a_paused_container_that_is_let_go_on_while_it_is_copied_is_not_believed(node: Node) -> None:
    container = node.notebook()
    container.pause()

    def on_step(step: str) -> None:
        if step == "before:captured":
            container.reload()
            if container.status == "paused":
                container.unpause()

    node.start_agent(on_step)
    row = node.save(container)
    assert row.operation.step is Step.FAILED
    assert "let it go on" in row.operation.reason
    container.reload()
    assert container.status == "running"
    succeeded(node.save(container).operation)


def _wait_for(path: Path, content: bytes) -> None:
    for _ in range(100):
        if path.exists() and path.read_bytes() == content:
            return
        time.sleep(0.1)
    raise AssertionError(f"{path.name} did not appear")

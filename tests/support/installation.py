"""A whole platform of its own for end-to-end tests: started by `hubernate up`, spoken to as its users do.

Everything is the real thing: Docker Engine, registry, JupyterHub with configurable-http-proxy, service, agent, gates.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from hubernate_core.names import INSTANCE_LABEL, ROLE_LABEL, SERVER_LABEL
from support.person import Person

ROOT = Path(__file__).resolve().parents[2]
HUBERNATE = Path(sys.executable).with_name("hubernate")


def free_port_block(size: int = 100) -> int:
    """The first of `size` neighbouring ports of which the ones we use are free.

    Each worker has a range of its own: two that look at the same moment would find the same ports free.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    first = 18000 + 3000 * worker
    for start in range(first, first + 3000, size):
        with contextlib.ExitStack() as held:
            try:
                for offset in (0, 1, 81, 82, 50):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", start + offset))
            except OSError:
                continue
            return start
    raise RuntimeError(f"no free block of ports from {first}")


@dataclass(frozen=True)
class Installation:
    """One running platform."""

    instance: str
    state: Path
    env: dict[str, str]

    def command(self, *args: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run `hubernate ARGS` against this platform."""
        return subprocess.run(
            [str(HUBERNATE), *args],
            env=self.env,
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=check,
            timeout=timeout,
        )

    @property
    def settings(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.state / "platform.json").read_text())
        return loaded

    @property
    def url(self) -> str:
        return str(self.settings["public_url"]).rstrip("/")

    def accounts(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.state / "accounts.json").read_text())
        return loaded

    def person(self, name: str) -> Person:
        """`name`, logged in."""
        accounts = self.accounts()
        password = accounts["admin_password"] if name == accounts["admin"] else accounts["user_password"]
        return Person.login(self.url, name, password)

    def process_id(self, program: str) -> int:
        """Process id of a supervised program: registry, proxy, service or hub."""
        status = json.loads(self.command("status", "-o", "json", check=False).stdout)
        return next(int(each["pid"]) for each in status["processes"] if each["name"] == program and each["pid"])

    def is_running_anew(self, program: str, before: int) -> bool:
        """Whether supervisord has started a program again that had the process id `before`."""
        try:
            return self.process_id(program) != before
        except StopIteration:
            return False

    def signal(self, program: str, number: signal.Signals) -> None:
        """Send `number` to a supervised program; supervisord starts it again when it ends."""
        os.kill(self.process_id(program), number)

    def supervisor(self, *args: str) -> str:
        """Speak to supervisord, for instance ``stop registry``."""
        config = self.state / "run" / "supervisord.conf"
        control = [str(HUBERNATE.with_name("supervisorctl")), "-c", str(config), *args]
        return subprocess.run(control, text=True, capture_output=True, check=False, timeout=60).stdout

    def containers(self, role: str = "notebook", server_id: str | None = None) -> list[Any]:
        """Our containers on the engine, also the stopped ones."""
        labels = [f"{INSTANCE_LABEL}={self.instance}", f"{ROLE_LABEL}={role}"]
        if server_id:
            labels.append(f"{SERVER_LABEL}={server_id}")
        return list(docker.from_env().containers.list(all=True, filters={"label": labels}, ignore_removed=True))


def wait_until(what: str, check: Callable[[], Any], *, timeout_s: float = 90, every_s: float = 0.3) -> Any:
    """The first true answer of `check`; AssertionError naming `what` and the last answer after `timeout_s`."""
    deadline, answer = time.monotonic() + timeout_s, None
    while time.monotonic() < deadline:
        answer = check()
        if answer:
            return answer
        time.sleep(every_s)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s; last seen: {answer!r}")


@contextlib.contextmanager
def installed(folder: Path, **settings: str) -> Iterator[Installation]:
    """A platform in `folder`, up before the body and removed with its volumes after it."""
    instance = "t" + secrets.token_hex(4)
    env = dict(os.environ) | {
        "HUBERNATE_STATE": str(folder),
        "HUBERNATE_INSTANCE": instance,
        "HUBERNATE_PORT": str(free_port_block()),
        "HUBERNATE_PROFILES": "base",
    }
    env |= settings
    platform = Installation(instance, folder, env)
    try:
        started = platform.command("up", check=False)
        if started.returncode:
            raise RuntimeError(f"hubernate up ended with {started.returncode}\n{started.stdout}\n{started.stderr}")
        yield platform
    finally:
        gone = platform.command("down", "--volumes", "--yes", check=False)
        if gone.returncode:
            print(f"hubernate down ended with {gone.returncode}\n{gone.stdout}\n{gone.stderr}", file=sys.stderr)

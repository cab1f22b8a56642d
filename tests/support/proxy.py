"""A real configurable-http-proxy for tests: the one that this checkout installs for itself."""

import contextlib
import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubernate_machine.proxy import command, ensure_proxy

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Proxy:
    """A running proxy: people at `port`, the hub at `api_port` with `token`."""

    port: int
    api_port: int
    token: str


def proxy_command() -> list[str]:
    """How to start configurable-http-proxy; it is installed from the project's lock if it is not there yet."""
    (ROOT / ".tools").mkdir(exist_ok=True)
    with (ROOT / ".tools/proxy.lock").open("w") as lock:  # other test processes may be at it
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_proxy(ROOT)
    return command(ROOT)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_proxy(default_target: str, log: Path) -> Iterator[Proxy]:
    """A proxy that sends what it has no route for to `default_target`, until the block ends."""
    proxy = Proxy(free_port(), free_port(), os.urandom(16).hex())
    arguments = {"ip": "127.0.0.1", "port": proxy.port, "api-ip": "127.0.0.1", "api-port": proxy.api_port}
    options = [f"--{name}={value}" for name, value in arguments.items()]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*proxy_command(), *options, f"--default-target={default_target}"],
            env=os.environ | {"CONFIGPROXY_AUTH_TOKEN": proxy.token},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_port(proxy.port, log)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def wait_for_port(port: int, log: Path, seconds: float = 60) -> None:
    """Wait until somebody listens on the loopback `port`; the end of `log` tells why nobody does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody listens on {port}: {log.read_text()[-2000:]}") from error
            time.sleep(0.1)

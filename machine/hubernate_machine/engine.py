"""Docker Engine: found, started where we may, and asked for what the rest needs to know."""

import ipaddress
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import docker
import requests

from hubernate_core.errors import NotAllowed, Unavailable

from .console import task
from .layout import Layout
from .packages import as_root, find

START_S = 60
CALL_S = 180
SOCKET = Path("/var/run/docker.sock")


def connect() -> docker.DockerClient:
    """A client of the engine that `DOCKER_HOST` or the usual socket names.

    Raises:
        NotAllowed: the socket is there but not for this person.
        Unavailable: nothing answers.
    """
    try:
        client = docker.from_env(timeout=CALL_S)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as problem:
        if "PermissionError" in str(problem) or "Permission denied" in str(problem):
            raise NotAllowed(
                f"Docker Engine runs but you may not use {SOCKET}. Nothing was changed. Join its group with `sudo "
                "usermod -aG docker $USER`, log in again, and run the same command (that group is root in effect)."
            ) from problem
        raise Unavailable(f"Docker Engine does not answer: {problem}") from problem
    return client


def answers() -> bool:
    """Whether an engine answers us; one that refuses us counts as well."""
    try:
        connect()
    except NotAllowed:
        return True
    except Unavailable:
        return False
    return True


def ensure_engine(layout: Layout) -> docker.DockerClient:
    """The engine, started if need be: by systemd, by its init script, or as a background process of root.

    Raises:
        NotAllowed: it has to be started by an administrator.
        Unavailable: it does not come up; the message says where it writes why.
    """
    if answers():
        return connect()
    prefix = as_root()
    if prefix is None or os.environ.get("DOCKER_HOST"):
        raise NotAllowed(
            "Docker Engine does not answer, and starting it needs root. Nothing was changed. Start it (`sudo systemctl "
            "start docker`, or `sudo service docker start`) and run the same command again."
        )
    log = layout.folder("log") / "dockerd.log"
    with task("Docker Engine") as running:
        for title, start in (
            ("systemctl start docker", _by_systemd),
            ("service docker start", _by_service),
            ("dockerd in the background", _by_ourselves),
        ):
            running.say(title)
            if start(prefix, log) and _comes_up(START_S if start is _by_ourselves else 30):
                return connect()
    raise Unavailable(f"Docker Engine was started but does not answer; see {log} or `journalctl -u docker`.")


def _by_systemd(prefix: list[str], log: Path) -> bool:
    if not Path("/run/systemd/system").is_dir():
        return False
    return subprocess.run([*prefix, "systemctl", "start", "docker"], check=False, timeout=120).returncode == 0


def _by_service(prefix: list[str], log: Path) -> bool:
    if find("service") is None or not Path("/etc/init.d/docker").is_file():
        return False
    if Path("/etc/init.d/cgroupfs-mount").is_file():
        subprocess.run([*prefix, "service", "cgroupfs-mount", "start"], check=False, timeout=60, capture_output=True)
    done = subprocess.run([*prefix, "service", "docker", "start"], check=False, timeout=120, capture_output=True)
    return done.returncode == 0


def _by_ourselves(prefix: list[str], log: Path) -> bool:
    program = find("dockerd")
    if program is None:
        return False
    with log.open("ab") as file:
        subprocess.Popen(
            [*prefix, program], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, cwd="/"
        )
    return True


def _comes_up(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return True
        time.sleep(0.5)
    return False


def bridge_address(client: docker.DockerClient) -> str:
    """Gateway address of the default bridge, where the hub and the service listen.

    Raises:
        NotAllowed: the engine runs without a default bridge.
    """
    try:
        pools: list[dict[str, Any]] = client.networks.get("bridge").attrs["IPAM"]["Config"] or []
    except docker.errors.NotFound:
        pools = []
    for pool in pools:
        if "." in pool.get("Gateway", ""):
            return str(pool["Gateway"])
        if "." in pool.get("Subnet", ""):
            # An engine that never ran a container on it names no gateway; it is the first address.
            return str(next(ipaddress.ip_network(pool["Subnet"]).hosts()))
    raise NotAllowed(
        "Docker Engine runs without its default bridge (`bridge: none` in daemon.json). The hub listens on that "
        "bridge's address; nothing was changed. Remove that setting, restart Docker, and run the same command again."
    )

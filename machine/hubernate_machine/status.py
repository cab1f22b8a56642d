"""What runs, where, and how much room it takes."""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker
from rich.table import Table

from hubernate_core.errors import NotAllowed, NotFound, Unavailable
from hubernate_core.names import INSTANCE_LABEL, ROLE_LABEL, SERVER_LABEL
from hubernate_core.platform_file import Platform
from hubernate_core.quantity import show_bytes

from . import engine, supervisor
from .console import out
from .layout import Layout, read_platform
from .settings import Settings


@dataclass(frozen=True)
class Container:
    """One of our containers on the engine."""

    name: str
    role: str
    server: str
    state: str
    image: str


@dataclass(frozen=True)
class Status:
    """Everything that `hubernate status` shows. Sizes are bytes."""

    instance: str
    url: str
    state: str
    up: bool
    processes: tuple[dict[str, Any], ...]
    containers: tuple[Container, ...]
    engine: str
    disk: dict[str, int]


def known_platform(layout: Layout) -> Platform:
    """What `up` wrote.

    Raises:
        NotFound: there was no `up` with this state folder.
    """
    platform = read_platform(layout)
    if platform is None:
        raise NotFound(
            f"There is no platform in {layout.root}. `hubernate up` makes one; HUBERNATE_STATE and HUBERNATE_INSTANCE "
            "name another one's place."
        )
    return platform


def our_containers(client: docker.DockerClient, instance: str) -> list[Any]:
    """Containers of this installation, stopped ones too."""
    return list(
        client.containers.list(all=True, filters={"label": f"{INSTANCE_LABEL}={instance}"}, ignore_removed=True)
    )


def folder_bytes(folder: Path) -> int:
    """Bytes on disk below `folder`, a file with several names once; what may not be read counts nothing."""
    total, seen = 0, set()
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(place, name))  # noqa: PTH118 - a walk over many files
            except OSError:
                continue  # gone meanwhile
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total


def read_status(settings: Settings) -> Status:
    """What is true now.

    Raises:
        NotFound: there is no platform there.
    """
    layout = Layout(settings.state)
    platform = known_platform(layout)
    running = supervisor.listing(layout)
    says, containers = "answers", []
    try:
        client = engine.connect()
        containers = [_container(each) for each in our_containers(client, platform.instance)]
    except (NotAllowed, Unavailable) as problem:
        says = problem.message
    free = shutil.disk_usage(layout.root).free
    return Status(
        instance=platform.instance,
        url=platform.public_url,
        state=str(layout.root),
        up=bool(running) and all(each.state == "RUNNING" for each in running),
        processes=tuple(asdict(each) for each in running),
        containers=tuple(sorted(containers, key=lambda each: (each.role, each.name))),
        engine=says,
        disk={"registry": folder_bytes(layout.folder("registry")), "state": folder_bytes(layout.root), "free": free},
    )


def _container(each: Any) -> Container:
    labels = each.labels
    image = str(each.attrs["Config"]["Image"])
    return Container(each.name, labels.get(ROLE_LABEL, ""), labels.get(SERVER_LABEL, ""), each.status, image)


def show(status: Status, *, as_json: bool) -> None:
    """Print it, as tables or as one JSON object."""
    if as_json:
        out.print(json.dumps(asdict(status), indent=2), markup=False, soft_wrap=True)
        return
    colour, word = ("green", "up") if status.up else ("red", "not up")
    out.print(f"[bold]{status.instance}[/] is [{colour}]{word}[/] at {status.url}   [dim]state: {status.state}[/]",
              soft_wrap=True)  # fmt: skip
    table = Table("process", "state", "pid", "since", box=None, header_style="dim")
    for each in status.processes:
        ok = each["state"] == "RUNNING"
        table.add_row(each["name"], f"[{'green' if ok else 'red'}]{each['state'].lower()}[/]", str(each["pid"] or ""),
                      _age(each["seconds"]) if ok else each["says"])  # fmt: skip
    if status.processes:
        out.print(table)
    table = Table("container", "role", "state", "image", box=None, header_style="dim")
    for container in status.containers:
        table.add_row(container.name, container.role, container.state, container.image.partition("@")[0])
    if status.containers:
        out.print(table)
    if status.engine != "answers":
        out.print(f"[red]✗[/] {status.engine}", soft_wrap=True)
    disk = {name: show_bytes(size) for name, size in status.disk.items()}
    out.print(
        f"[dim]disk:[/] {disk['registry']} in the registry, {disk['state']} in the state folder, {disk['free']} free"
    )


def _age(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"

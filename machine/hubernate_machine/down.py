"""`hubernate down`: save what runs, then stop. Nothing is removed unless the request says so and is confirmed."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import typer

from hubernate_core.errors import Conflict, NotAllowed, Unavailable
from hubernate_core.names import INSTANCE_LABEL, ROLE_LABEL
from hubernate_core.platform_file import Platform
from hubernate_core.quantity import show_bytes

from . import agent, engine, firewall, orphans, supervisor
from .console import out, task
from .hub import Hub, HubServer
from .layout import FOLDERS, Layout
from .settings import Settings
from .status import folder_bytes, known_platform, our_containers
from .up import fence

OURS = (
    "platform.json", "profiles.json", "tenants.json", "accounts.json", "oauth.json", "service.py", "hub.py", *FOLDERS,
)  # fmt: skip
"""Everything in a state folder that is removed with it; anything else in there is somebody's."""


def down(settings: Settings, *, wait_s: float) -> bool:
    """Save and stop every server, then stop the platform.

    Returns:
        whether everything is saved and stopped; False when notebooks were left behind, running or stopped, unsaved.
    """
    layout = Layout(settings.state)
    platform = known_platform(layout)
    client = engine.connect()
    save_servers(platform, layout, wait_s)
    left = left_behind(client, platform.instance)
    with task("stopping the platform"):
        agent.stop(client, platform.instance)
        supervisor.stop(layout)
        orphans.end(layout)
        if not (left.running or left.jobs):
            firewall.remove_fence(client, platform.images.agent, fence(platform))
    for line in left.lines():
        out.print(line, soft_wrap=True)
    return not (left.running or left.unsaved)


@dataclass(frozen=True)
class LeftBehind:
    """Names of the containers that are there after everything was asked to save and stop.

    The agent removes a notebook's container once it is saved: whoever is still there is not. Jobs go on by themselves.
    """

    running: tuple[str, ...]
    unsaved: tuple[str, ...]
    """Stopped, with changes that no saved environment has."""
    jobs: tuple[str, ...] = ()
    """Running."""

    def lines(self) -> list[str]:
        """What a person must know of them."""
        said = []
        if self.running:
            said.append(
                f"[yellow]![/] Left running, because they could not be saved: {', '.join(self.running)}. Nothing of "
                "them is lost: the next `hubernate up` takes them over and saves them. The fence around them stays."
            )
        if self.unsaved:
            said.append(
                f"[yellow]![/] Stopped, but not saved yet: {', '.join(self.unsaved)}. Their changes are in these "
                "containers and nowhere else: do not remove them (nor run `docker container prune`). The next "
                "`hubernate up` saves them."
            )
        if self.jobs:
            said.append(
                f"[yellow]![/] Jobs that go on: {', '.join(self.jobs)}. The next `hubernate up` takes them up again, "
                "with all that they wrote. The fence around them stays."
            )
        where = "Homes and saved environments are where they were"
        if said:
            said.append(f"Everything else is stopped. {where}.")
        else:
            said.append(f"Stopped. {where}; `hubernate up` brings everything back.")
        return said


def left_behind(client: docker.DockerClient, instance: str) -> LeftBehind:
    """Notebooks and jobs on the engine. A notebook that was created and never ran has nothing to save."""
    states, jobs = _states(client, instance, "notebook"), _states(client, instance, "job")
    stopped = ("exited", "dead")
    return LeftBehind(
        running=tuple(sorted(name for name, state in states.items() if state not in stopped)),
        unsaved=tuple(sorted(name for name, state in states.items() if state in stopped)),
        jobs=tuple(sorted(name for name, state in jobs.items() if state not in stopped)),
    )


def _states(client: docker.DockerClient, instance: str, role: str) -> dict[str, str]:
    """Name and state of the containers of a role."""
    labels = [f"{INSTANCE_LABEL}={instance}", f"{ROLE_LABEL}={role}"]
    found = client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
    return {str(each.name): each.status for each in found if each.status not in ("created", "removing")}


def save_servers(platform: Platform, layout: Layout, wait_s: float) -> None:
    """Stop every server through the hub, which saves it first, and wait; trouble is told, not raised."""
    if not supervisor.is_up(layout):
        return
    hub = Hub(platform, layout)
    try:
        servers = hub.servers()
        if not servers:
            return
        with task(f"saving and stopping {len(servers)} running notebook{'s' if len(servers) > 1 else ''}") as running:
            for server in servers:
                if server.pending != "stop":
                    hub.stop(server)
            _wait_for(hub, servers, wait_s, running.say)
    except (Unavailable, Conflict) as problem:
        out.print(f"[yellow]![/] {problem.message}", soft_wrap=True)


def _wait_for(hub: Hub, asked: list[HubServer], wait_s: float, say: Any) -> None:
    """Return once none of `asked` is there any more. A server that is there and not stopping failed to save."""
    deadline = time.monotonic() + wait_s
    waiting = {str(server) for server in asked}
    while waiting:
        now = {str(server): server for server in hub.servers()}
        for name in sorted(waiting - now.keys()):
            say(f"{name} is saved and stopped")
        waiting = {name for name in waiting if name in now}
        if waiting and all(not now[name].pending for name in waiting):
            raise Conflict(f"not stopped: {', '.join(sorted(waiting))}; the page of each says why")
        if time.monotonic() > deadline:
            raise Conflict(f"still being saved after {wait_s:.0f} s: {', '.join(sorted(waiting))}")
        if waiting:
            say(f"saving {', '.join(sorted(waiting))}")
            time.sleep(0.5)


@dataclass(frozen=True)
class Belongings:
    """What `down --volumes` removes."""

    containers: tuple[Any, ...]
    volumes: tuple[Any, ...]
    networks: tuple[Any, ...]
    images: tuple[str, ...]
    state: Path

    def lines(self) -> list[str]:
        """One line for each kind of thing."""
        return [
            f"{len(self.volumes)} home volumes: {', '.join(each.name for each in self.volumes) or 'none'}",
            f"{len(self.containers)} containers and {len(self.networks)} networks, running notebooks unsaved",
            f"{self.state}: {show_bytes(folder_bytes(self.state))}: saved environments, accounts, secrets, databases",
        ]


def belongings(client: docker.DockerClient, platform: Platform, layout: Layout) -> Belongings:
    """Everything on this machine that is this installation's."""
    label = {"label": f"{INSTANCE_LABEL}={platform.instance}"}
    # The plain listing: `client.images.list` looks at each image once more, and fails for one that is gone meanwhile.
    references = {
        reference
        for image in client.api.images()
        for reference in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ()))
        if reference.startswith(f"{platform.registry}/")
    }
    return Belongings(
        containers=tuple(our_containers(client, platform.instance)),
        volumes=tuple(client.volumes.list(filters=label)),
        networks=tuple(client.networks.list(filters=label)),
        images=tuple(sorted(references)),
        state=layout.root,
    )


def remove_everything(settings: Settings, *, yes: bool) -> None:
    """Remove the platform with homes, saved environments and state, once the person typed its name.

    Raises:
        NotAllowed: not confirmed; nothing was changed.
    """
    layout = Layout(settings.state)
    platform = known_platform(layout)
    client = engine.connect()
    things = belongings(client, platform, layout)
    out.print(f"This removes [bold]{platform.instance}[/] for good:")
    for line in things.lines():
        out.print(f"  • {line}", markup=False, soft_wrap=True)
    if (
        not yes
        and typer.prompt(f"Type {platform.instance} to go on", default="", show_default=False) != platform.instance
    ):
        raise NotAllowed("Not confirmed: nothing was changed.")
    with task(f"removing {platform.instance}"):
        agent.stop(client, platform.instance, remove=True)
        supervisor.stop(layout)
        orphans.end(layout)
        for container in our_containers(client, platform.instance):
            container.remove(force=True, v=True)
        for thing in (*things.volumes, *things.networks):
            thing.remove()
        for reference in things.images:
            _forget(client, reference)
        firewall.remove_fence(client, platform.images.agent, fence(platform))
        _remove_state(client, platform, layout)


def _forget(client: docker.DockerClient, reference: str) -> None:
    try:
        client.images.remove(reference)
    except docker.errors.ImageNotFound:
        return  # its other name took it along
    except docker.errors.APIError as problem:
        out.print(f"  {reference} stays on the engine: {problem.explanation}", style="dim", soft_wrap=True)


def _remove_state(client: docker.DockerClient, platform: Platform, layout: Layout) -> None:
    """Remove our files of the state folder, and the folder when nothing else is in it."""
    try:
        for path in (layout.root / name for name in OURS):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except PermissionError:
        # The agent writes as root.
        client.containers.run(
            platform.images.agent, ["rm", "-rf", *(f"/state/{name}" for name in OURS)], entrypoint="", user="0",
            network_mode="none", remove=True, volumes={str(layout.root): {"bind": "/state", "mode": "rw"}},
        )  # fmt: skip
    if not any(layout.root.iterdir()):
        layout.root.rmdir()

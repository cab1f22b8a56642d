"""`hubernate up`: from whatever is here to a running platform. Every step looks first; a second run changes nothing."""

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import docker
import httpx

from hubernate_core.errors import Conflict, Unavailable
from hubernate_core.platform_file import Platform, PlatformImages, Ports

from . import accounts, agent, engine, firewall, mirrors, orphans, packages, programs, proxy, registry, supervisor
from .console import out, task
from .images.build import ensure_images
from .images.catalogue import publish
from .images.recipe import ROOT_TAG
from .images.tidy import remove_unused
from .layout import NODE, Layout, ensure_secrets, read_platform, write_json
from .settings import Settings, project_root

ANSWER_S = 90
TRIES = 4
"""Processes of one program that may end before `up` stops waiting for it."""


def up(settings: Settings) -> Platform:
    """Bring the platform of `settings` up and print where it is.

    Raises:
        NotAllowed: an administrator has to do something first; the message says what.
        Conflict: a port is taken.
        Unavailable: something outside failed; running it again goes on where it stopped.
    """
    started = time.monotonic()
    layout, project = Layout(settings.state), project_root()
    client = prepare_engine(layout)
    ports, bridge = choose_ports(settings, layout), engine.bridge_address(client)
    check_ports(ports, bridge, layout)  # before anything that takes minutes
    found = mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())
    proxy.ensure_proxy(project)
    tags, _ = ensure_images(client, ("gate", "agent", *settings.profiles), project, found)
    platform = describe(settings, ports, bridge, tags, found)
    ensure_secrets(layout)
    accounts.ensure_accounts(layout)
    if not layout.tenants.exists():
        write_json(layout.tenants, accounts.tenants())
    write_json(layout.platform, platform)
    firewall.ensure_fence(client, platform.images.agent, fence(platform))
    start_programs(platform, layout, project, client, tags)
    start_agent(platform, layout, client)
    wait_for_answers(platform, layout)
    tidied = remove_unused(client, layout, platform.instance, platform.registry, tags)
    if tidied:
        out.print(f"  images: {tidied}", style="dim", markup=False, soft_wrap=True)
    announce(platform, layout, seconds=time.monotonic() - started)
    return platform


def prepare_engine(layout: Layout) -> docker.DockerClient:
    """Packages of the distribution, and an engine that answers."""
    answering = engine.answers()
    root = answering and bool(engine.connect().images.list(name=ROOT_TAG))
    packages.ensure_packages(packages.missing(engine_answers=answering, has_root_image=root))
    return engine.ensure_engine(layout)


def choose_ports(settings: Settings, layout: Layout) -> Ports:
    """What was said now, then what was written before, then defaults."""
    before = read_platform(layout)
    return settings.ports or (before.ports if before else Ports())


def describe(settings: Settings, ports: Ports, bridge: str, tags: dict[str, str], found: mirrors.Found) -> Platform:
    """`platform.json` as it should be."""
    return Platform(
        instance=settings.instance,
        node=NODE,
        bridge_address=bridge,
        public_url=f"http://127.0.0.1:{ports.public}",
        ports=ports,
        registry=f"127.0.0.1:{ports.registry}",
        mirrors=mirrors.for_notebooks(found, f"127.0.0.1,localhost,{bridge}"),
        images=PlatformImages(gate=tags["gate"], agent=tags["agent"]),
    )


def fence(platform: Platform) -> firewall.Fence:
    """The firewall rules of this installation."""
    return firewall.read_fence(platform.instance, platform.bridge_address, (platform.ports.hub, platform.ports.service))


def addresses(ports: Ports, bridge: str) -> dict[str, tuple[str, int]]:
    """Where each process listens, by the name of its port."""
    return {
        "public": ("127.0.0.1", ports.public),
        "proxy_api": ("127.0.0.1", ports.proxy_api),
        "hub": (bridge, ports.hub),
        "service": (bridge, ports.service),
        "registry": ("127.0.0.1", ports.registry),
    }


def taken(ports: Ports, bridge: str) -> dict[str, int]:
    """Ports of ours that something listens on already, by name."""
    found = {}
    for name, address in addresses(ports, bridge).items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError:
                found[name] = address[1]
    return found


def check_ports(ports: Ports, bridge: str, layout: Layout) -> None:
    """Refuse to start beside somebody else on a port of ours.

    Raises:
        Conflict: names port, owner where that is known, and the variable that changes it.
    """
    if supervisor.is_up(layout):
        return
    if ended := orphans.end(layout):
        out.print(f"  ended what a killed supervisord left behind: {', '.join(ended)}", style="dim")
    for name, port in taken(ports, bridge).items():
        variable = "HUBERNATE_PORT" if name == "public" else f"HUBERNATE_{name.upper()}_PORT"
        raise Conflict(
            f"Port {port}, which the platform needs ({name}), is taken{orphans.owner_of(port)}. Nothing was started. "
            f"End that process, or choose another port: {variable}=… (HUBERNATE_PORT moves all of them together)."
        )


def start_programs(
    platform: Platform, layout: Layout, project: Path, client: docker.DockerClient, tags: dict[str, str]
) -> None:
    """Registry first, for the catalogue must name digests in it before the service reads it; then the rest."""
    registry.write_config(layout, platform.ports.registry)
    wanted = programs.programs(platform, layout, project, Path(sys.executable).parent)
    if not registry.answers(platform.registry):
        present = agent.find(client, platform.instance)
        if present is None or present.status != "running":
            out.print(f"  registry: {registry.tidy(layout)}", style="dim")
        supervisor.ensure_running(layout, programs.configuration(wanted[:1], layout))
        _wait("registry", lambda: registry.answers(platform.registry), layout)
    publish(client, layout, platform.registry, tags)
    touched = supervisor.ensure_running(layout, programs.configuration(wanted, layout))
    if touched:
        out.print(f"[green]✓[/] started {', '.join(dict.fromkeys(touched))}")


def start_agent(platform: Platform, layout: Layout, client: docker.DockerClient) -> None:
    """The agent's container, new when anything about it changed."""
    wanted = agent.body(platform, layout, client.info()["DockerRootDir"])
    spec = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    if agent.ensure_agent(client, wanted, spec):
        out.print("[green]✓[/] started the agent")


def wait_for_answers(platform: Platform, layout: Layout) -> None:
    """Return once hub and service answer through the proxy.

    Raises:
        Unavailable: one does not; the message names its log.
    """
    places = addresses(platform.ports, platform.bridge_address)
    hub, service = ("http://{}:{}".format(*places[name]) for name in ("hub", "service"))
    with task("waiting for the hub and the platform service"):
        for name, url in (
            ("hub", f"{hub}/hub/health"),
            ("service", f"{service}/services/hubernate/health"),
            ("proxy", f"{platform.public_url}/services/hubernate/health"),
        ):
            _wait(name, partial(_ok, url), layout)


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _wait(name: str, answers: Callable[[], bool], layout: Layout) -> None:
    deadline, tries = time.monotonic() + ANSWER_S, set[int]()
    while not answers():
        tries |= {each.pid for each in supervisor.listing(layout) if each.name == name and each.pid}
        if time.monotonic() > deadline or len(tries) > TRIES:
            log = layout.folder("log") / f"{name}.log"
            last = log.read_text(errors="replace").splitlines()[-5:] if log.is_file() else []
            raise Unavailable(
                f"The {name} does not answer. Nothing was lost; what is already running stays. Its log is {log}; the "
                "end of it:\n    " + "\n    ".join(last)
            )
        time.sleep(0.3)


def announce(platform: Platform, layout: Layout, *, seconds: float) -> None:
    """Say where the platform is; the accounts at the first time only."""
    told = layout.folder("run") / "accounts-shown"
    out.print(f"\n[bold]Hubernate is up[/] at [bold]{platform.public_url}[/] [dim]({seconds:.0f} s)[/]")
    if not told.exists():
        show_accounts(layout)
        told.touch()
        out.print(f"This is shown once. It stays in {layout.accounts} (only you may read it); `hubernate accounts` "
                  "shows it again.", style="dim", soft_wrap=True)  # fmt: skip
    else:
        out.print("Accounts: `hubernate accounts`. What runs: `hubernate status`.", style="dim")


def show_accounts(layout: Layout) -> None:
    """Print names, tenants and passwords."""
    known, _ = accounts.ensure_accounts(layout)
    out.print(f"  {known.admin:<8} {'admin':<22} {known.admin_password}", markup=False, soft_wrap=True)
    for user, tenants in known.users.items():
        out.print(f"  {user:<8} {', '.join(tenants):<22} {known.user_password}", markup=False, soft_wrap=True)

"""`hubernate doctor`: looks at everything that has to hold, and says what is wrong and what to do about it."""

import json
import platform as this_machine
import re
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import docker
import httpx

from hubernate_core.errors import HubernateError, InvalidInput
from hubernate_core.image_ref import parse_image
from hubernate_core.names import INSTANCE_LABEL
from hubernate_core.platform_file import Platform

from . import agent, engine, findings, firewall, mirrors, packages, registry, supervisor
from .console import out
from .findings import Finding, Grade
from .images.catalogue import read_catalogue
from .layout import SECRETS, Layout
from .settings import Settings
from .status import known_platform
from .up import fence

PROBE = """
import socket, sys
for name, host, port in (each.split(",") for each in sys.argv[1:]):
    try:
        socket.create_connection((host, int(port)), 2).close()
        print(name, 1)
    except OSError:
        print(name, 0)
"""


def examine(settings: Settings) -> list[Finding]:
    """Every check. One that cannot be made is a finding too.

    Raises:
        NotFound: there is no platform to look at.
    """
    layout = Layout(settings.state)
    platform = known_platform(layout)
    found = [_versions(), *_needs()]
    try:
        client = engine.connect()
    except HubernateError as problem:
        return [*found, findings.wrong("Docker Engine", problem.message, "`hubernate up` starts it"), *_disk(layout)]
    info: dict[str, Any] = client.info()
    running = [(each.name, each.state, each.says) for each in supervisor.listing(layout)]
    found += findings.judge_engine(info)
    found.append(findings.judge_clock(_skew(info)))
    found += _disk(layout, Path(str(info["DockerRootDir"])))
    found += findings.judge_programs(running, str(layout.folder("log")))
    if running:
        found += _answers(platform, layout)
    found.append(_agent(client, platform, layout))
    found.append(findings.judge_private(_modes(layout)))
    found.append(_trust(platform))
    found += _fence(client, platform)
    return found


def _versions() -> Finding:
    return findings.ok("versions", f"hubernate {version('hubernate')}, Python {this_machine.python_version()}, "
                       f"JupyterHub {version('jupyterhub')}, Linux {this_machine.release()}")  # fmt: skip


def _needs() -> list[Finding]:
    missing = packages.missing(engine_answers=True, has_root_image=True)
    return [findings.wrong(need.program, f"not installed: {need.why}", "`hubernate up`") for need in missing]


def _skew(info: dict[str, Any]) -> float:
    """Seconds between the engine's clock and ours; it writes nanoseconds, which Python does not read."""
    text = str(info["SystemTime"])
    stamp = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    if text[-6] in "+-":
        stamp = datetime.fromisoformat(text[:19] + text[-6:])
    return (stamp - datetime.now(UTC)).total_seconds()


def _disk(layout: Layout, root: Path | None = None) -> list[Finding]:
    places = {"disk of the state folder": layout.root}
    if root is not None and root.is_dir() and root.stat().st_dev != layout.root.stat().st_dev:
        places["disk of Docker"] = root
    usage = {what: shutil.disk_usage(path) for what, path in places.items()}
    return [findings.judge_disk(what, each.free, each.total) for what, each in usage.items()]


def _answers(platform: Platform, layout: Layout) -> list[Finding]:
    def fine(url: str) -> bool:
        try:
            return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    bridge, ports = platform.bridge_address, platform.ports
    listening = registry.answers(platform.registry)
    present = {}
    for entry in read_catalogue(layout) if listening else ():
        image = parse_image(entry["image"])
        present[entry["name"]] = registry.manifest_digest(platform.registry, image.repository, image.digest) is not None
    found = [
        findings.judge_answer("registry", listening, "`hubernate logs registry`"),
        findings.judge_answer("hub", fine(f"http://{bridge}:{ports.hub}/hub/health"), "`hubernate logs hub`"),
        findings.judge_answer(
            "platform service",
            fine(f"http://{bridge}:{ports.service}/services/hubernate/health"),
            "`hubernate logs service`",
        ),
        findings.judge_answer("public address", fine(f"{platform.public_url}/hub/health"), "`hubernate logs proxy`"),
        findings.judge_routes(_routes(platform, layout)),
    ]
    return [*found, findings.judge_profiles(present)] if listening else found


def _routes(platform: Platform, layout: Layout) -> dict[str, Any] | None:
    token = layout.secret("proxy-token").read_text().strip()
    try:
        answer = httpx.get(f"http://127.0.0.1:{platform.ports.proxy_api}/api/routes",
                           headers={"Authorization": f"token {token}"}, timeout=5, trust_env=False)  # fmt: skip
        answer.raise_for_status()
        return dict(answer.json())
    except httpx.HTTPError:
        return None


def _agent(client: docker.DockerClient, platform: Platform, layout: Layout) -> Finding:
    container = agent.find(client, platform.instance)
    todo = f"`docker logs {agent.name(platform.instance)}`, then `hubernate up`"
    if container is None or container.status != "running":
        state = "not there" if container is None else container.status
        return findings.wrong("agent", f"its container is {state}: nothing is saved", todo)
    socket_path = layout.folder("agent") / "health.sock"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket_path)), timeout=5) as asking:
            metrics = asking.get("http://agent/metrics").text
    except httpx.HTTPError as problem:
        return findings.wrong("agent", f"runs, but does not answer on its socket: {problem}", todo)
    polled = re.search(r"^hubernate_agent_last_poll_seconds (\S+)$", metrics, re.MULTILINE)
    silent = time.time() - float(polled[1]) if polled and float(polled[1]) else None
    started = datetime.fromisoformat(str(container.attrs["State"]["StartedAt"])[:19]).replace(tzinfo=UTC)
    return findings.judge_agent(silent, (datetime.now(UTC) - started).total_seconds(), todo)


def _modes(layout: Layout) -> dict[str, int]:
    paths = [layout.accounts, *(layout.secret(name) for name in (*SECRETS, "signing-key", "data-keys"))]
    return {str(path): path.stat().st_mode & 0o777 for path in paths if path.exists()}


def _trust(platform: Platform) -> Finding:
    if platform.mirrors.ca_bundle is None:
        return findings.ok("CA bundle", "none named; notebooks trust their image's")
    try:
        mirrors.check_bundle(Path(platform.mirrors.ca_bundle))
    except InvalidInput as problem:
        return findings.wrong("CA bundle", problem.reason, "name a readable one in HUBERNATE_CA_BUNDLE, `hubernate up`")
    return findings.ok("CA bundle", platform.mirrors.ca_bundle)


def _fence(client: docker.DockerClient, platform: Platform) -> list[Finding]:
    try:
        saved = firewall.saved_rules(client, platform.images.agent)
        reached = try_fence(client, platform)
    except (HubernateError, docker.errors.DockerException) as problem:
        return [findings.wrong("firewall", f"could not be tried: {problem}", "`hubernate up`, then look again")]
    # What does not listen cannot be reached from anywhere: that is another finding.
    doors = {"hub": platform.ports.hub, "service": platform.ports.service}
    deaf = {name for name, port in doors.items() if not _listens(platform.bridge_address, port)}
    tried = {name: yes for name, yes in reached.items() if name not in deaf}
    return findings.judge_fence(
        stands=firewall.stands(saved, fence(platform)), reached=tried, overtaken=firewall.overtaken(saved)
    )


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True


def try_fence(client: docker.DockerClient, platform: Platform) -> dict[str, bool]:
    """What a container on a tenant-like network reaches, by name. Makes a network and a container, removes both."""
    name = secrets.token_hex(4)
    network = client.networks.create(
        f"{platform.instance}-probe-{name}",
        options={"com.docker.network.bridge.name": f"hbn-p{name}", "com.docker.network.bridge.enable_icc": "false"},
        labels={INSTANCE_LABEL: platform.instance},
    )
    try:
        with _listener() as port:
            bridge, ports = platform.bridge_address, platform.ports
            gateway = client.networks.get(str(network.id)).attrs["IPAM"]["Config"][0]["Gateway"]
            targets = {
                "hub": (bridge, ports.hub),
                "service": (bridge, ports.service),
                "another port of this machine": (bridge, port),
                "this machine at its own gateway": (gateway, port),
            }
            words = [f"{what.replace(' ', '_')},{host},{number}" for what, (host, number) in targets.items()]
            said: bytes = client.containers.run(
                platform.images.gate, ["-c", PROBE, *words], entrypoint="/opt/hubernate/bin/python",
                network=network.name, labels={INSTANCE_LABEL: platform.instance}, remove=True,
                cap_drop=["ALL"], mem_limit="64m",
            )  # fmt: skip
    finally:
        network.remove()
    lines = (line.split() for line in said.decode().splitlines())
    return {what.replace("_", " "): yes == "1" for what, yes in lines}


@contextmanager
def _listener() -> Iterator[int]:
    """A port on every address of this machine that accepts connections while the body runs."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def show(found: list[Finding], *, as_json: bool) -> None:
    """Print the findings, as a list for a person or as JSON."""
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=2) + "\n")
        return
    marks = {Grade.OK: "[green]✓[/]", Grade.WARNING: "[yellow]![/]", Grade.WRONG: "[red]✗[/]"}
    for each in found:
        out.print(f"{marks[each.grade]} [bold]{each.what}[/]: {_plain(each.says)}", soft_wrap=True)
        if each.todo:
            out.print(f"    → {each.todo}", markup=False, soft_wrap=True)
    bad = sum(each.grade is Grade.WRONG for each in found)
    out.print("\nNothing is wrong." if not bad else f"\n{bad} thing{'s' if bad > 1 else ''} to repair.")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")

"""The machine's commands: up, down, status, doctor, logs, restart, accounts, images."""

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import docker
import typer

from hubernate_core.errors import InvalidInput, NotFound, Unavailable
from hubernate_core.names import profile_repository

from . import backup as backup_command
from . import doctor as doctor_command
from . import down as down_command
from . import engine, mirrors, proxy, registry, supervisor
from . import status as status_command
from . import up as up_command
from .console import out
from .findings import Grade
from .images.build import ensure_images
from .images.catalogue import add_own, publish, push_to
from .kubernetes.cli import app as kubernetes_app
from .kubernetes.doctor import examine
from .kubernetes.kubectl import Kubectl
from .kubernetes.overlay import PLATFORM, Overlay
from .layout import Layout, alone, ensure_folders, read_platform
from .settings import project_root, read_settings

app = typer.Typer(no_args_is_help=True)
images_app = typer.Typer(no_args_is_help=True, help="The platform's and the profiles' images.")
app.add_typer(images_app, name="images")
app.add_typer(kubernetes_app, name="kubernetes")


class Form(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[Form, typer.Option("-o", "--output", help="table for people, json for programs")]


@app.command()
def up() -> None:
    """Set everything up and start the platform; a second run changes nothing.

    Example: hubernate up
    """
    settings = read_settings()
    layout = Layout(settings.state)
    supervisor.check_socket_path(layout)
    ensure_folders(layout)
    with alone(layout):
        up_command.up(settings)


@app.command()
def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="remove homes, saved environments and state too")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --volumes: do not ask; for scripts")] = False,
    wait: Annotated[float, typer.Option(help="seconds to wait for running notebooks to be saved")] = 600,
) -> None:
    """Save running notebooks and stop the platform. Nothing is lost; --volumes asks before it removes.

    Example: hubernate down --wait 120
    """
    settings = read_settings()
    layout = Layout(settings.state)
    status_command.known_platform(layout)
    with alone(layout):
        if volumes:
            down_command.remove_everything(settings, yes=yes)
        elif not down_command.down(settings, wait_s=wait):
            raise typer.Exit(1)


@app.command()
def status(output: Output = Form.TABLE) -> None:
    """Show processes, containers, addresses and disk use. Exit code 1 when something of it does not run.

    Example: hubernate status -o json
    """
    found = status_command.read_status(read_settings())
    status_command.show(found, as_json=output is Form.JSON)
    if not found.up:
        raise typer.Exit(1)


@app.command()
def doctor(
    output: Output = Form.TABLE,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="look at a cluster, through kubectl")] = False,
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="its namespace there")] = "hubernate",
    context: Annotated[str, typer.Option(help="kubectl's context; empty: the current one")] = "",
) -> None:
    """Look at everything that has to hold and say what to do. Exit code 1 when something is wrong.

    Example: hubernate doctor --kubernetes
    """
    found = examine(Kubectl(namespace, context)) if kubernetes else doctor_command.examine(read_settings())
    doctor_command.show(found, as_json=output is Form.JSON)
    if any(each.grade is Grade.WRONG for each in found):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="hub, service, proxy, registry, agent or supervisord")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="go on as it grows")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="how many of the last")] = 100,
) -> None:
    """Show the end of a log.

    Example: hubernate logs service -n 50 --follow
    """
    settings = read_settings()
    log_folder = Layout(settings.state).folder("log")
    if name == "agent":
        platform = status_command.known_platform(Layout(settings.state))
        container = f"{platform.instance}-agent"
        _show_container_log(container, lines, follow=follow)
        return
    known = sorted(path.stem for path in log_folder.glob("*.log"))
    if name not in known:
        raise InvalidInput("name", f"{name!r} is none of {', '.join([*known, 'agent'])}")
    tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(log_folder / f"{name}.log")]
    subprocess.run(tail, check=False)


def _show_container_log(name: str, lines: int, *, follow: bool) -> None:
    try:
        container = engine.connect().containers.get(name)
    except docker.errors.NotFound as problem:
        raise NotFound(f"There is no container {name}; `hubernate up` makes it.") from problem
    for chunk in container.logs(stream=True, follow=follow, tail=lines):
        sys.stdout.write(chunk.decode(errors="replace"))
        sys.stdout.flush()


@app.command()
def restart(name: Annotated[str, typer.Argument(help="hub, service, proxy or registry")]) -> None:
    """Stop and start one program; running notebooks go on.

    Example: hubernate restart hub
    """
    supervisor.restart(Layout(read_settings().state), name)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="where to write; it must not be there yet")],
    keys: Annotated[bool, typer.Option("--keys", help="with the signing key, data keys and accounts in it")] = False,
) -> None:
    """Copy the platform's database and settings into one file, also while it runs; say what else to keep.

    Example: hubernate backup monday.tar
    """
    layout = Layout(read_settings().state)
    status_command.known_platform(layout)
    backup_command.backup(layout, file, keys=keys)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="what `hubernate backup` wrote")]) -> None:
    """Put a backup back, the platform being down. Checkpoints are looked for before any is deleted.

    Example: hubernate restore monday.tar
    """
    layout = Layout(read_settings().state)
    ensure_folders(layout)
    with alone(layout):
        backup_command.restore(layout, file)


@app.command()
def accounts() -> None:
    """Show the embedded accounts and their passwords.

    Example: hubernate accounts
    """
    layout = Layout(read_settings().state)
    if not layout.accounts.exists():
        raise NotFound(f"There are no accounts in {layout.root} yet; `hubernate up` makes them.")
    up_command.show_accounts(layout)


@images_app.command()
def build() -> None:
    """Build what is missing and, while the registry runs, put the profiles into it.

    Example: hubernate images build
    """
    settings, project = read_settings(), project_root()
    layout = Layout(settings.state)
    ensure_folders(layout)
    client = engine.ensure_engine(layout)
    found = mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())
    tags, _ = ensure_images(client, ("gate", "agent", *settings.profiles), project, found)
    platform = read_platform(layout)
    if platform is not None and registry.answers(platform.registry):
        publish(client, layout, platform.registry, tags)
    for name, tag in tags.items():
        out.print(f"  {name:<8} {tag}", markup=False)


@images_app.command()
def push(
    registry: Annotated[str, typer.Argument(help="where this engine pushes to: HOST[:PORT], as in `docker login`")],
    overlay: Annotated[Path, typer.Option(help="folder below config/kubernetes/overlays that is to use them")],
    named: Annotated[str, typer.Option(help="what nodes call that registry, where it is another name")] = "",
) -> None:
    """Build what is missing, push all images of the platform, and have an overlay use them by digest.

    Example: hubernate images push registry.example.com --overlay config/kubernetes/overlays/production
    """
    settings, project, target = read_settings(), project_root(), Overlay(overlay)
    target.platform()
    layout = Layout(settings.state)
    ensure_folders(layout)
    client = engine.ensure_engine(layout)
    found = mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())
    tags, _ = ensure_images(client, (*PLATFORM, *settings.profiles), project, found)
    wanted = {name: f"hubernate/{name}" if name in PLATFORM else profile_repository(name) for name in tags}
    wanted.pop("debian")
    called = named or registry
    pushed = {name: f"{called}/{push_to(client, tags[name], registry, where)}" for name, where in wanted.items()}
    changed = target.name_images(called, pushed)
    out.print(
        f"{overlay} {'uses them now' if changed else 'used them already'}: kubectl apply -k {overlay}", markup=False
    )


@images_app.command()
def add(
    name: Annotated[str, typer.Argument(help="the profile's name")],
    image: Annotated[str, typer.Argument(help="an image on this engine, made FROM one of ours")],
    title: Annotated[str, typer.Option(help="what people read in the start form")] = "",
    description: Annotated[str, typer.Option(help="one sentence below it")] = "",
    cpu: Annotated[str, typer.Option(help="cores, such as 2 or 500m")] = "2",
    memory: Annotated[str, typer.Option(help="such as 4Gi")] = "2Gi",
) -> None:
    """Offer an image of your own as a profile; again with a newer image, it replaces the older one.

    Example: hubernate images add genomics our/genomics:2 --memory 8Gi
    """
    settings = read_settings()
    layout = Layout(settings.state)
    platform = status_command.known_platform(layout)
    if not registry.answers(platform.registry):
        raise Unavailable(f"The registry at {platform.registry} does not answer. Nothing was changed; `hubernate up`.")
    resources = {"cpu": cpu, "memory": memory}
    entry = {"name": name, "title": title or name, "description": description, "resources": resources}
    with alone(layout):
        profile = add_own(engine.connect(), layout, platform.registry, image, entry)
    out.print(f"{profile.name}: {profile.image}", markup=False, soft_wrap=True)

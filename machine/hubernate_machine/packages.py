"""What this machine needs of its distribution: looked for, named, and installed by apt where that is allowed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubernate_core.errors import NotAllowed, Unavailable, shorten

from .console import out, task

APT_S = 1200


@dataclass(frozen=True)
class Need:
    """A program, the Debian package that brings it, and what for."""

    program: str
    package: str
    why: str


NEEDS = (
    Need("dockerd", "docker.io", "runs notebooks"),
    Need("docker-registry", "docker-registry", "keeps the saved environments"),
    Need("iptables", "iptables", "closes this machine to notebooks"),
    Need("debootstrap", "debootstrap", "makes the base image where none can be pulled"),
)
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(program: str) -> str | None:
    """Path of `program`, looked for in the administrator's folders too: a person's PATH often lacks them."""
    return shutil.which(program) or shutil.which(program, path=_SYSTEM_PATH)


def missing(*, engine_answers: bool, has_root_image: bool, look: Callable[[str], str | None] = find) -> list[Need]:
    """The needs that are not met. An engine that answers needs no dockerd here; a base image needs no debootstrap."""
    met = {"dockerd": engine_answers, "debootstrap": has_root_image}
    return [need for need in NEEDS if not met.get(need.program) and look(need.program) is None]


def distribution(text: str | None = None) -> tuple[str, bool]:
    """Name of this distribution and whether it has apt as Debian has it; `text` is that of os-release(5)."""
    if text is None:
        path = Path("/etc/os-release")
        text = path.read_text() if path.is_file() else ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    values = {key: value.strip().strip('"') for key, value in fields.items()}
    family = {values.get("ID", ""), *values.get("ID_LIKE", "").split()}
    return values.get("PRETTY_NAME") or values.get("ID") or "unknown", bool(family & {"debian", "ubuntu"})


def as_root() -> list[str] | None:
    """What to put before a command to run it as root; None where that needs a password or is not allowed."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False, timeout=20)
    return ["sudo", "-n"] if allowed.returncode == 0 else None


def ensure_packages(needs: Sequence[Need]) -> None:
    """Install what is missing, after saying what.

    Raises:
        NotAllowed: not a Debian or Ubuntu, or no root: the message is the list of what to install.
        Unavailable: apt failed.
    """
    if not needs:
        return
    name, has_apt = distribution()
    prefix = as_root()
    wanted = "\n".join(f"    {need.package:<16} {need.program}: {need.why}" for need in needs)
    packages = [need.package for need in needs]
    if not has_apt or prefix is None:
        reason = f"this is {name}" if not has_apt else "this needs root, and sudo asks for a password or is not there"
        raise NotAllowed(
            f"This machine lacks what the platform needs, and {reason}. Nothing was changed. Install "
            f"(Debian's names):\n"
            f"{wanted}\n  then run the same command again. On Debian or Ubuntu:\n"
            f"    sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(packages)}"
        )
    out.print(f"Installing from {name}'s packages:\n{wanted}", markup=False)
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    with task("apt-get install") as running:
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            running.say(f"apt-get {arguments[0]}")
            done = subprocess.run(
                [*prefix, *env, "apt-get", *arguments], capture_output=True, text=True, timeout=APT_S, check=False
            )
            if done.returncode:
                raise Unavailable(
                    f"apt-get {arguments[0]} ended with {done.returncode}: {shorten(done.stderr.strip()[-500:], 500)}. "
                    "Repair that and run the same command again; it goes on where it stopped."
                )

"""What `doctor` makes of what it saw: facts in, findings out; no look at the machine here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hubernate_core.quantity import show_bytes

GIB = 1024**3
DISK_SHORT, DISK_LOW = 2 * GIB, 10 * GIB
CLOCK_S = 5.0
AGENT_SILENT_S = 60.0
"""Three missed long polls."""


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One check's result: what was looked at, what was found, what to do about it."""

    what: str
    grade: Grade
    says: str
    todo: str = ""


def ok(what: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(what, Grade.OK, says)


def wrong(what: str, says: str, todo: str) -> Finding:
    """Something to do."""
    return Finding(what, Grade.WRONG, says, todo)


def judge_engine(info: Mapping[str, Any]) -> list[Finding]:
    """The engine's version, storage and control groups, from ``GET /info`` (Docker Engine API 1.41)."""
    driver = str(info.get("Driver", "unknown"))
    status = {str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or ()}
    backing = status.get("Backing Filesystem", "")
    found = [ok("Docker Engine", f"{info.get('ServerVersion', '?')} on {info.get('OperatingSystem', '?')}")]
    if "snapshotter" in status.get("driver-type", ""):
        found.append(
            wrong(
                "storage",
                f"the engine keeps images in containerd ({driver}), whose changes cannot be read yet",
                'set {"features": {"containerd-snapshotter": false}} in /etc/docker/daemon.json and restart Docker',
            )
        )
    elif driver != "overlay2":
        found.append(
            wrong(
                "storage",
                f"storage driver {driver}; only overlay2 keeps changes where they can be saved from",
                'set {"storage-driver": "overlay2"} in /etc/docker/daemon.json and restart Docker '
                "(images and containers have to be made anew)",
            )
        )
    elif status.get("Supports d_type", "true") != "true":
        found.append(
            wrong("storage", f"{backing} without d_type", "put Docker's folder on ext4, or xfs made with ftype=1")
        )
    else:
        found.append(ok("storage", f"overlay2 on {backing or 'an unnamed file system'}"))
    missing = [
        name
        for name, key in (("memory", "MemoryLimit"), ("CPU", "CpuCfsQuota"), ("process", "PidsLimit"))
        if info.get(key) is False
    ]
    if missing:
        found.append(
            wrong(
                "limits",
                f"no {', '.join(missing)} limits: one notebook can take the whole machine",
                "enable the cgroup controllers (memory, cpu, pids) in the kernel's boot options",
            )
        )
    else:
        found.append(ok("limits", f"cgroup v{info.get('CgroupVersion', '1')}: memory, CPU and processes"))
    return found


def judge_disk(what: str, free: int, total: int) -> Finding:
    """Room for images and saves, in bytes."""
    says = f"{show_bytes(free)} of {show_bytes(total)} free"
    todo = "delete old checkpoints, or images nobody uses (`docker image prune`), or give it a larger disk"
    if free < DISK_SHORT:
        return wrong(what, f"{says}: saves are about to fail", todo)
    if free < DISK_LOW:
        return Finding(what, Grade.WARNING, says, todo)
    return ok(what, says)


def judge_clock(skew_s: float) -> Finding:
    """Difference between the engine's clock and ours, seconds."""
    if abs(skew_s) > CLOCK_S:
        return wrong("clock", f"the engine's clock is {skew_s:+.0f} s off ours", "set this machine's clock by NTP")
    return ok("clock", "engine and platform agree")


def judge_programs(programs: Sequence[tuple[str, str, str]], log_folder: str) -> list[Finding]:
    """Supervised programs as (name, state, words)."""
    if not programs:
        return [wrong("programs", "supervisord does not run", "`hubernate up`")]
    bad = [each for each in programs if each[1] != "RUNNING"]
    if not bad:
        return [ok("programs", ", ".join(name for name, _, _ in programs) + " run")]
    return [
        wrong(name, f"{state.lower()}: {says}", f"see {log_folder}/{name}.log (`hubernate logs {name}`)")
        for name, state, says in bad
    ]


def judge_routes(routes: Mapping[str, Any] | None) -> Finding:
    """The proxy's routing table, or None when its API does not answer."""
    if routes is None:
        return wrong("proxy", "its API does not answer", "`hubernate logs proxy`, then `hubernate restart proxy`")
    missing = [name for name, path in (("hub", "/"), ("service", "/services/hubernate")) if path not in routes]
    if missing:
        return wrong("proxy", f"no route to {' and '.join(missing)}", "`hubernate restart hub` writes them anew")
    return ok("proxy", f"{len(routes)} routes")


def judge_fence(*, stands: bool, reached: Mapping[str, bool], overtaken: Sequence[str] = ()) -> list[Finding]:
    """The firewall: rules, and what a container in a tenant's place could reach.

    Args:
        stands: the rules are as they should be.
        reached: by name; ``hub`` and ``service`` must be true, everything else false.
        overtaken: chains in which another program's rules come before the fence.
    """
    todo = "`hubernate up` sets the rules anew; should they vanish again, another firewall program overwrites them"
    found = []
    if overtaken:
        where = " and ".join(overtaken)
        problem = f"another program's rules come before its own in {where} and may let notebooks through"
        again = "`hubernate up` puts the fence first again; start the other firewall program before it"
        found.append(wrong("firewall", problem, again))
    elif not stands:
        found.append(wrong("firewall", "its rules are not all there", todo))
    open_doors = [name for name, yes in reached.items() if yes and name not in ("hub", "service")]
    closed = [name for name, yes in reached.items() if not yes and name in ("hub", "service")]
    if open_doors:
        found.append(wrong("firewall", f"a notebook's network reaches {', '.join(open_doors)}", todo))
    if closed:
        todo = "look for another firewall (ufw, firewalld, nftables) that drops what enters on hbn-+ interfaces"
        found.append(wrong("firewall", f"a notebook's network does not reach {', '.join(closed)}", todo))
    if not found:
        found.append(ok("firewall", "tried from a container: hub and service reached, nothing else of this machine"))
    return found


def judge_agent(silent_s: float | None, age_s: float, todo: str) -> Finding:
    """Seconds since the service last answered the agent's poll, None when it never did; and since the agent's start."""
    if silent_s is None and age_s < AGENT_SILENT_S:
        return ok("agent", f"started {age_s:.0f} s ago")
    if silent_s is None:
        return wrong("agent", "runs, but the service has not answered it yet", todo)
    if silent_s > AGENT_SILENT_S:
        return wrong("agent", f"heard from the service {silent_s:.0f} s ago: nothing is saved meanwhile", todo)
    return ok("agent", f"runs, heard from the service {silent_s:.0f} s ago")


def judge_private(modes: Mapping[str, int]) -> Finding:
    """Files that hold secrets, by path, with their permission bits."""
    loose = sorted(path for path, mode in modes.items() if mode & 0o077)
    if loose:
        return wrong("secrets", f"others can read {', '.join(loose)}", f"chmod 600 {' '.join(loose)}")
    return ok("secrets", f"{len(modes)} files, all private")


def judge_answer(what: str, answers: bool, todo: str) -> Finding:
    """Something that has to answer."""
    return ok(what, "answers") if answers else wrong(what, "does not answer", todo)


def judge_profiles(present: Mapping[str, bool]) -> Finding:
    """The catalogue: whether each profile's image is in the registry."""
    missing = sorted(name for name, there in present.items() if not there)
    if not present:
        return wrong("profiles", "there is none", "`hubernate images build`")
    if missing:
        return wrong("profiles", f"not in the registry: {', '.join(missing)}", "`hubernate images build`")
    return ok("profiles", ", ".join(sorted(present)))

"""The fence between notebooks and this machine: what may leave a tenant's bridge (all are named ``hbn-…``).

To this machine: the hub and the service, the name servers that stand on it, answers. Onward: anything but link-local
and carrier-grade addresses (cloud metadata) and other tenants. Several installations share one chain; each
owns the accepting rules that carry its name.
"""

import ipaddress
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import docker

from hubernate_core.errors import Unavailable

from .packages import as_root, find

INPUT_CHAIN, FORWARD_CHAIN = "HUBERNATE", "HUBERNATE-FWD"
BRIDGES = "hbn-+"
CLOSED = ("169.254.0.0/16", "100.64.0.0/10")
_HOOKS = (("INPUT", INPUT_CHAIN), ("DOCKER-USER", FORWARD_CHAIN))


@dataclass(frozen=True)
class Fence:
    """What one installation opens."""

    instance: str
    bridge_address: str
    ports: tuple[int, ...]
    name_servers: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """The comment on this installation's rules."""
        return f"hubernate:{self.instance}"


def name_servers(resolv_conf: str) -> tuple[str, ...]:
    """IPv4 name servers of resolv.conf(5) that containers are sent to; loopback ones Docker replaces itself."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                address = ipaddress.IPv4Address(words[1])
            except ValueError:
                continue
            if not address.is_loopback:
                found.append(str(address))
    return tuple(found)


def accepting(fence: Fence) -> list[str]:
    """This installation's rules in the input chain, in iptables-save's words."""
    comment = f'-m comment --comment "{fence.mark}"'
    rules = [
        f"-A {INPUT_CHAIN} -d {fence.bridge_address}/32 -p tcp -m tcp --dport {port} {comment} -j ACCEPT"
        for port in fence.ports
    ]
    return rules + [
        f"-A {INPUT_CHAIN} -d {server}/32 -p {protocol} -m {protocol} --dport 53 {comment} -j ACCEPT"
        for server in fence.name_servers
        for protocol in ("udp", "tcp")
    ]


def restore_text(saved: str, fence: Fence, *, keep: bool = True) -> str:
    """Input of `iptables-restore --noflush` that brings about what should be, in one step.

    Args:
        saved: what `iptables-save -t filter` says now.
        keep: False takes this installation's rules out; the last one takes the chains with it.
    """
    lines, others = saved.splitlines(), _others(saved, fence)
    text = ["*filter"]
    if not keep and not others:
        text += [f"-D {rule[3:]}" for rule in _jumps() for line in lines if line == rule]
        present = [chain for _, chain in _HOOKS if any(line.startswith(f":{chain} ") for line in lines)]
        text += [f"-F {chain}" for chain in present] + [f"-X {chain}" for chain in present]
        return "\n".join([*text, "COMMIT", ""])
    # Naming a chain with a colon empties it, within the same transaction.
    text += [f":{chain} - [0:0]" for _, chain in _HOOKS]
    text.append(f"-A {INPUT_CHAIN} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    text += others + (accepting(fence) if keep else [])
    text.append(f"-A {INPUT_CHAIN} -j DROP")
    text.append(f"-A {FORWARD_CHAIN} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")
    text += [
        f"-A {FORWARD_CHAIN} -d {server}/32 -p {protocol} -m {protocol} --dport 53 -j RETURN"
        for server in fence.name_servers
        for protocol in ("udp", "tcp")
    ]
    text += [f"-A {FORWARD_CHAIN} -d {network} -j DROP" for network in CLOSED]
    text.append(f"-A {FORWARD_CHAIN} -o {BRIDGES} -j DROP")
    text.append(f"-A {FORWARD_CHAIN} -j RETURN")
    for (hook, chain), rule in zip(_HOOKS, _jumps(), strict=True):
        if not _first(lines, hook, chain):
            text += [f"-D {rule[3:]}" for line in lines if line == rule]
            text.append(f"-I {hook} 1 -i {BRIDGES} -j {chain}")
    return "\n".join([*text, "COMMIT", ""])


def _others(saved: str, fence: Fence) -> list[str]:
    """The accepting rules of other installations."""
    rules = [line for line in saved.splitlines() if line.startswith(f"-A {INPUT_CHAIN} ") and "hubernate:" in line]
    return [rule for rule in rules if f'"{fence.mark}"' not in rule and f"--comment {fence.mark} " not in rule]


def _jumps() -> list[str]:
    """The rules that lead into our chains, in iptables-save's words."""
    return [f"-A {hook} -i {BRIDGES} -j {chain}" for hook, chain in _HOOKS]


def _first(lines: Sequence[str], hook: str, chain: str) -> bool:
    """Whether only jumps into Hubernate's chains, perhaps named by another version, come before our jump."""
    jump = f"-A {hook} -i {BRIDGES} -j "
    for line in lines:
        if line == jump + chain:
            return True
        if line.startswith(f"-A {hook} ") and not line.startswith(jump + INPUT_CHAIN):
            return False
    return False


def overtaken(saved: str) -> list[str]:
    """The chains in which another program's rules come before the fence, and may let through what it closes."""
    lines = saved.splitlines()
    return [
        hook
        for (hook, chain), rule in zip(_HOOKS, _jumps(), strict=True)
        if rule in lines and not _first(lines, hook, chain)
    ]


def stands(saved: str, fence: Fence) -> bool:
    """Whether the fence is as it should be: before any other program's rules, our rules in it."""
    lines = saved.splitlines()
    hooked = all(_first(lines, hook, chain) for hook, chain in _HOOKS)
    others = _others(saved, fence)
    ours = {line for line in lines if line.startswith(f"-A {INPUT_CHAIN} ") and "hubernate:" in line} - {*others}
    expected = {rule.replace('"', "") for rule in accepting(fence)}
    closed = all(f"-A {FORWARD_CHAIN} -d {network} -j DROP" in lines for network in CLOSED)
    return (
        hooked
        and closed
        and f"-A {INPUT_CHAIN} -j DROP" in lines
        and {rule.replace('"', "") for rule in ours} == expected
    )


def read_fence(instance: str, bridge: str, ports: tuple[int, ...]) -> Fence:
    """The fence for this machine, with the name servers it uses."""
    path = Path("/etc/resolv.conf")
    return Fence(instance, bridge, ports, name_servers(path.read_text()) if path.is_file() else ())


def saved_rules(client: docker.DockerClient, image: str) -> str:
    """`iptables-save -t filter` of this machine."""
    return _run(client, image, ["iptables-save", "-t", "filter"])


def ensure_fence(client: docker.DockerClient, image: str, fence: Fence) -> bool:
    """Put the fence up, IPv6 closed; whether anything of IPv4 had to change.

    Raises:
        Unavailable: the rules could not be set: notebooks could reach this machine.
    """
    _change_ipv6(client, image, close=True)
    saved = saved_rules(client, image)
    if stands(saved, fence):
        return False
    _run(client, image, ["iptables-restore", "--noflush"], restore_text(saved, fence))
    return True


def remove_fence(client: docker.DockerClient, image: str, fence: Fence) -> None:
    """Take this installation's rules out, and the chains and what closes IPv6 once nobody uses them."""
    saved = saved_rules(client, image)
    if f":{INPUT_CHAIN} " in saved:
        _run(client, image, ["iptables-restore", "--noflush"], restore_text(saved, fence, keep=False))
    if not _others(saved, fence):
        _change_ipv6(client, image, close=False)


def _change_ipv6(client: docker.DockerClient, image: str, *, close: bool) -> None:
    """Tenant networks have no IPv6; should an engine give them some, nothing of it passes while there is a fence."""
    if not Path("/proc/net/if_inet6").exists():
        return
    saved = _run(client, image, ["ip6tables-save", "-t", "filter"]).splitlines()
    rules = {hook: f"-A {hook} -i {BRIDGES} -j DROP" for hook in ("INPUT", "FORWARD")}
    if close:
        text = [rule.replace(f"-A {hook}", f"-I {hook} 1") for hook, rule in rules.items() if rule not in saved]
    else:
        text = [f"-D {line[3:]}" for line in saved if line in rules.values()]
    if text:
        _run(client, image, ["ip6tables-restore", "--noflush"], "\n".join(["*filter", *text, "COMMIT", ""]))


def _run(client: docker.DockerClient, image: str, command: list[str], text: str = "") -> str:
    """Run an iptables command as root: ourselves, by sudo, or in a container that enters this machine's namespaces."""
    prefix = as_root()
    program = find(command[0])
    if prefix is not None and program is not None:
        done = subprocess.run(
            [*prefix, program, *command[1:]], input=text, capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            raise Unavailable(f"{command[0]} failed: {done.stderr.strip()}. Notebooks are not fenced off this machine.")
        return done.stdout
    # Docker Engine's own tool, so that rules land where the engine's are (nft or legacy).
    script = f"exec nsenter --target 1 --mount --net {command[0]} {' '.join(command[1:])}"
    try:
        answer: bytes = client.containers.run(
            image, ["/bin/sh", "-c", f'printf %s "$RULES" | {script}'], entrypoint="", environment={"RULES": text},
            privileged=True, pid_mode="host", network_mode="host", user="0", remove=True,
        )  # fmt: skip
    except docker.errors.ContainerError as problem:
        raise Unavailable(
            f"{command[0]} failed on this machine: {problem.stderr!r}. Notebooks are not fenced off this machine."
        ) from problem
    return answer.decode()

"""What `doctor --kubernetes` makes of what it saw: objects and answers in, findings out; nothing is asked here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..findings import CLOCK_S, Finding, Grade, judge_disk, ok, wrong

Json = Mapping[str, Any]
OLDEST = (1, 30)
"""ValidatingAdmissionPolicy, native sidecars and node names in tokens: all there since then."""
_CONTAINERD = re.compile(r"containerd://(\d+)\.(\d+)")
_OLDEST_CONTAINERD = (1, 6)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
DEPLOYMENTS = ("hub", "proxy", "service")
OPEN = ("hub", "service", "names")
"""What a notebook must reach; everything else that is tried must be closed to it."""


def judge_versions(server: str, nodes: Iterable[Json]) -> list[Finding]:
    """The API server's version, and each node's kubelet, runtime and architecture."""
    listed = list(nodes)
    found = [_at_least("API server", server)]
    old = [_at_least(f"kubelet of {_name(each)}", _info(each, "kubeletVersion")) for each in listed]
    found += [each for each in old if each.grade is not Grade.OK]
    runtimes = {_name(each): _info(each, "containerRuntimeVersion") for each in listed}
    bad = {name: runtime for name, runtime in runtimes.items() if not _can_save(runtime)}
    if bad:
        says = "; ".join(f"{name} has {runtime or 'none'}" for name, runtime in sorted(bad.items()))
        todo = "use nodes with containerd 1.6 or newer, or keep notebooks off these by a profile's node_selector"
        found.append(wrong("runtime", f"{says}: what runs there cannot be saved", todo))
    else:
        found.append(ok("runtime", f"{len(listed)} nodes with {', '.join(sorted(set(runtimes.values())))}"))
    kinds = sorted({_info(each, "architecture") for each in listed})
    if len(kinds) > 1:
        says = f"nodes are {' and '.join(kinds)}; what is saved on one cannot run on the other"
        todo = "give each profile a node_selector with kubernetes.io/arch"
        found.append(Finding("architecture", Grade.WARNING, says, todo))
    return found


def _at_least(what: str, version: str) -> Finding:
    numbers = tuple(int(each) for each in re.findall(r"\d+", version)[:2])
    if numbers >= OLDEST:
        return ok(what, version)
    return wrong(
        what, f"{version or 'unknown'} is older than 1.30", "upgrade the cluster, or its node, to 1.30 or newer"
    )


def _can_save(runtime: str) -> bool:
    matched = _CONTAINERD.match(runtime)
    return matched is not None and (int(matched[1]), int(matched[2])) >= _OLDEST_CONTAINERD


def judge_storage(classes: Iterable[Json], wanted: Mapping[str, str]) -> list[Finding]:
    """StorageClasses of homes. `wanted`: tenant → class, empty for the cluster's default."""
    known = {_name(each): each for each in classes}
    default = [
        name
        for name, each in known.items()
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    found, used = [], set()
    for tenant, name in sorted(wanted.items()):
        if name and name not in known:
            todo = "make it, or name another in `kubernetes.storage_class` of the tenant"
            found.append(wrong("storage", f"tenant {tenant} wants StorageClass {name!r}, which is not there", todo))
        elif not name and not default:
            todo = f"annotate one with {_DEFAULT_CLASS}=true, or name one in `kubernetes.storage_class` of each tenant"
            found.append(wrong("storage", f"tenant {tenant} takes the default StorageClass, and there is none", todo))
        else:
            used.add(name or default[0])
    for name in sorted(used):
        if known[name].get("allowVolumeExpansion") is not True:
            todo = "set allowVolumeExpansion: true if its provisioner can; a full home cannot be enlarged otherwise"
            found.append(Finding("storage", Grade.WARNING, f"StorageClass {name!r} does not enlarge volumes", todo))
    return found or [ok("storage", f"homes are of StorageClass {', '.join(sorted(used))}")]


def judge_workloads(deployments: Iterable[Json], agents: Iterable[Json], nodes: int, namespace: str) -> list[Finding]:
    """Whether the platform's own pods run: one of each Deployment, an agent on every node."""
    ready = {_name(each): int((each.get("status") or {}).get("readyReplicas") or 0) for each in deployments}
    missing = [name for name in DEPLOYMENTS if not ready.get(name)]
    found = [
        wrong(name, "is not ready" if name in ready else "is not installed",
              f"`kubectl -n {namespace} describe deployment/{name}`, `kubectl -n {namespace} logs deployment/{name}`"
              if name in ready else "`kubectl apply -k` your overlay")
        for name in missing
    ]  # fmt: skip
    up = sum(int((each.get("status") or {}).get("numberReady") or 0) for each in agents)
    if up < nodes:
        todo = f"`kubectl -n {namespace} get pods -o wide -l app.kubernetes.io/component=agent`; nothing is saved there"
        found.append(wrong("agent", f"ready on {up} of {nodes} nodes", todo))
    return found or [ok("platform", f"{', '.join(DEPLOYMENTS)} are ready, and an agent on each of {nodes} nodes")]


def judge_policies(names: Iterable[str], wanted: Sequence[str]) -> Finding:
    """The admission policies that keep hub and service to tenants' namespaces, and tenants to their images."""
    missing = sorted(set(wanted) - set(names))
    if missing:
        says = f"not there: {', '.join(missing)}"
        return wrong("admission", says, "`hubernate images push` and `kubectl apply -k` your overlay, as an admin")
    return ok("admission", ", ".join(wanted))


def judge_secrets(keys: Iterable[str], needed: Sequence[str], choices: Sequence[str]) -> Finding:
    """Keys of ``platform-secrets``: all of `needed` and one of `choices`."""
    present = set(keys)
    missing = [each for each in needed if each not in present]
    if not present & set(choices):
        missing.append(" or ".join(choices))
    if missing:
        return wrong("secrets", f"platform-secrets lacks {', '.join(missing)}", "`hubernate kubernetes secrets`")
    return ok("secrets", "platform-secrets has everything")


def judge_node(node: str, seen: Json) -> list[Finding]:
    """What the agent of `node` says that it sees; see hubernate_checkpointer.look."""
    advice = {
        "engine": "check the hostPath of containerd's socket in the overlay's agent patch",
        "changes": "set the paths of containerd and kubelet in the overlay, as components/k3s does",
        "cgroups": "mount the node's /sys/fs/cgroup writable into the agent, as config/kubernetes/base/agent.yaml does",
        "kubelet": "set CheckpointAgent.kubelet_dir and the hostPath `pods` to the kubelet's root folder",
        "registry": "see `registry_url` in platform.json, the key `registry-login`, and the CA of the agent's image",
    }
    found = [wrong(f"{what} on {node}", str(seen[what]), todo) for what, todo in advice.items() if seen.get(what)]
    strange = [each for each in seen.get("snapshotters") or () if each != "overlayfs"]
    if strange:
        todo = "set snapshotter = 'overlayfs' for CRI in containerd's configuration, and make the node's pods anew"
        found.append(wrong(f"snapshotter on {node}", f"{', '.join(strange)}: such changes cannot be saved", todo))
    room = judge_disk(f"disk of the agent on {node}", int(seen["free"]), int(seen["total"]))
    if room.grade is not Grade.OK:
        found.append(room)
    return found or [
        ok(f"node {node}", "containerd with overlayfs, its changes, control groups and the registry are in reach")
    ]


def judge_clocks(offsets: Mapping[str, float]) -> Finding:
    """Seconds by which each node's clock is ahead of this machine's: what counts is how far they are apart."""
    if not offsets:
        return Finding("clock", Grade.WARNING, "no node could be asked", "repair the agents first")
    spread = max(offsets.values()) - min(offsets.values())
    if spread > CLOCK_S:
        late, early = min(offsets, key=offsets.__getitem__), max(offsets, key=offsets.__getitem__)
        return wrong("clock", f"{early} is {spread:.0f} s ahead of {late}", "let both take their time by NTP")
    return ok("clock", f"{len(offsets)} nodes agree within {max(1.0, spread):.0f} s")


def judge_reach(node: str, reached: Mapping[str, bool], *, before: bool) -> list[Finding]:
    """What a pod in a tenant's place on `node` reached.

    Args:
        reached: by name; those of `OPEN` must be true, everything else false.
        before: whether another pod was reached while no policy stood: otherwise a closed door proves nothing.
    """
    where = f"network on {node}"
    if not before:
        says = "pods do not reach each other even without a policy, so it could not be tried whether policies hold"
        return [wrong(where, says, "look at the cluster's network plugin (CNI) on this node")]
    shut = [name for name in OPEN if name in reached and not reached[name]]
    open_doors = [name for name, yes in reached.items() if yes and name not in OPEN]
    found = []
    if open_doors:
        todo = "use a network plugin that enforces NetworkPolicy (Calico, Cilium, …); until then tenants are not apart"
        if "another pod" not in open_doors:
            todo = "add the networks of nodes, pods and services to `kubernetes.closed_networks` in platform.json"
        found.append(wrong(where, f"a notebook there reaches {', '.join(open_doors)}", todo))
    if shut:
        words = {"names": "cluster DNS (`kubernetes.dns` in platform.json says where it is)"}
        says = f"a notebook there does not reach {', '.join(words.get(each, each) for each in shut)}"
        found.append(wrong(where, says, "compare the NetworkPolicies in the platform's and a tenant's namespace"))
    return found or [ok(where, "tried from a pod: hub, service and DNS are reached, nothing else of the cluster")]


def _name(thing: Json) -> str:
    return str(thing["metadata"]["name"])


def _info(node: Json, key: str) -> str:
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get(key) or "")

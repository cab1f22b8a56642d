"""`hubernate doctor --kubernetes`: looks at a cluster through kubectl, tries what can be tried, and says what to do."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from hubernate_core.errors import HubernateError, NotFound
from hubernate_core.platform_file import Platform

from ..findings import Finding, wrong
from . import judge
from .kubectl import Kubectl
from .probe import Probe
from .secrets import ACCOUNTS, MAKERS, NAME, OAUTH

_LOOK = "from hubernate_checkpointer.look import main; main()"


def examine(kubectl: Kubectl) -> list[Finding]:
    """Every check. One that cannot be made is a finding too.

    Raises:
        NotFound: the platform is not installed in that namespace.
        NotAllowed, Unavailable: kubectl does not reach the cluster at all.
    """
    platform, tenants = _installed(kubectl)
    nodes = _items(kubectl, "nodes")
    server = json.loads(kubectl.run(["version", "--output=json"]))["serverVersion"]["gitVersion"]
    found = judge.judge_versions(str(server), nodes)
    wanted = {each["name"]: str((each.get("kubernetes") or {}).get("storage_class", "")) for each in tenants}
    found += judge.judge_storage(_items(kubectl, "storageclasses"), wanted)
    agents = [each for each in _items(kubectl, "daemonsets") if _component(each) == "agent"]
    found += judge.judge_workloads(_items(kubectl, "deployments"), agents, len(nodes), kubectl.namespace)
    names = [each["metadata"]["name"] for each in _items(kubectl, "validatingadmissionpolicybindings")]
    found.append(judge.judge_policies(names, _policies(names, platform)))
    secret = kubectl.get("secret", NAME) or {}
    keys = (secret.get("data") or {}).keys()
    found.append(judge.judge_secrets(keys, [key for key in MAKERS if key != ACCOUNTS], (ACCOUNTS, OAUTH)))
    clocks: dict[str, float] = {}
    for each in _agents(kubectl):
        found += _ask_agent(kubectl, each, clocks)
    found.append(judge.judge_clocks(clocks))
    return [*found, *_try_network(kubectl, platform, nodes, secret)]


def _installed(kubectl: Kubectl) -> tuple[Platform, list[dict[str, Any]]]:
    """What the installation says of itself: the ConfigMaps that the hub's pod mounts."""
    hub = kubectl.get("deployment", "hub")
    if hub is None:
        raise NotFound(
            f"There is no platform in namespace {kubectl.namespace!r}. `kubectl apply -k` an overlay of"
            " config/kubernetes, or name its namespace with -n."
        )
    texts: dict[str, str] = {}
    for volume in hub["spec"]["template"]["spec"]["volumes"]:
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "configMap" in source:
                texts |= (kubectl.get("configmap", source["configMap"]["name"]) or {}).get("data") or {}
    try:
        return Platform.model_validate_json(texts["platform.json"]), json.loads(texts["tenants.json"])
    except (KeyError, ValueError, ValidationError) as problem:
        raise NotFound(
            f"The ConfigMaps of namespace {kubectl.namespace!r} hold no readable platform.json and tenants.json;"
            " `kubectl apply -k` your overlay."
        ) from problem


def _policies(names: Iterable[str], platform: Platform) -> tuple[str, str]:
    """Bindings that must be there. An overlay may give the first another prefix."""
    confinement = next((each for each in names if each.endswith("-confinement")), "hubernate-confinement")
    return confinement, f"{platform.instance}-tenants"


def _agents(kubectl: Kubectl) -> Iterator[dict[str, Any]]:
    for pod in _items(kubectl, "pods"):
        if _component(pod) == "agent" and (pod.get("status") or {}).get("phase") == "Running":
            yield pod


def _ask_agent(kubectl: Kubectl, pod: dict[str, Any], clocks: dict[str, float]) -> list[Finding]:
    """What an agent sees of its node; its clock goes into `clocks`."""
    node, arguments = str(pod["spec"]["nodeName"]), pod["spec"]["containers"][0].get("args") or []
    command = ["exec", pod["metadata"]["name"], "--", "/opt/hubernate/bin/python", "-c", _LOOK, *arguments]
    asked = time.time()
    try:
        seen = json.loads(kubectl.run(command))
    except (HubernateError, ValueError) as problem:
        said = problem.message if isinstance(problem, HubernateError) else "it answered something else"
        return [
            wrong(
                f"agent on {node}",
                f"could not be asked: {said}",
                f"`kubectl -n {kubectl.namespace} logs {pod['metadata']['name']}`",
            )
        ]
    clocks[node] = float(seen["clock"]) - (asked + time.time()) / 2
    return judge.judge_node(node, seen)


def _try_network(
    kubectl: Kubectl, platform: Platform, nodes: list[dict[str, Any]], secret: dict[str, Any]
) -> list[Finding]:
    if platform.kubernetes is None:
        return [wrong("platform.json", "has no 'kubernetes'", "`kubectl apply -k` an overlay of config/kubernetes")]
    addresses = {
        each["metadata"]["name"]: _address(each) for each in nodes if not (each.get("spec") or {}).get("unschedulable")
    }
    config = (secret.get("data") or {}).get("pull-config.json")
    pull = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": config}} if config else None
    probe = Probe(kubectl.context, platform.kubernetes, platform.images.gate)
    try:
        reached = probe.look(addresses, pull)
    except HubernateError as problem:
        failed = wrong("network", f"could not be tried: {problem.message}", "run it as an admin of the cluster")
        return [failed, *left_behind(probe)]
    todo = f"see that this node reaches {platform.registry} and trusts its certificate (containerd's certs.d)"
    found = [wrong(f"pull on {node}", why, todo) for node, why in probe.problems.items()]
    for each in reached:
        found += judge.judge_reach(each.node, each.reached, before=each.before)
    return [*found, *left_behind(probe)]


def left_behind(probe: Probe) -> list[Finding]:
    """What this look itself could not tidy up."""
    if not probe.left:
        return []
    todo = f"`kubectl delete namespace {probe.namespace}`"
    return [wrong("this look", f"left namespace {probe.namespace} behind: {probe.left}", todo)]


def _address(node: dict[str, Any]) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(each["address"]) for each in addresses if each["type"] == "InternalIP"), "")


def _component(thing: dict[str, Any]) -> str:
    return str((thing["metadata"].get("labels") or {}).get("app.kubernetes.io/component", ""))


def _items(kubectl: Kubectl, kind: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(kubectl.run(["get", kind, "--output=json"]))["items"]
    return listed

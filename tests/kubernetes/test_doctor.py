"""`hubernate doctor --kubernetes` on a real cluster: quiet when all is well, and it finds what was broken."""

import json

import pytest

from support.cluster_platform import Platform
from support.doctor import examine

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]


def test_a_good_cluster(platform: Platform) -> None:
    code, found = examine(platform)
    wrong = [each for each in found.values() if each["grade"] == "wrong"]
    assert (code, wrong) == (0, [])
    nodes = [each.name for each in platform.cluster.nodes()]
    assert {f"network on {node}" for node in nodes} | {f"node {node}" for node in nodes} <= found.keys()
    assert {"runtime", "storage", "platform", "admission", "secrets", "clock"} <= found.keys()
    left = platform.cluster.kubectl("get", "namespaces", "--output=name")
    assert not [line for line in left.splitlines() if "hubernate-doctor" in line] or "Terminating" in (
        platform.cluster.kubectl("get", "namespaces")
    )


def test_it_finds_what_is_broken(platform: Platform) -> None:
    """A service that no NetworkPolicy lets anybody reach, and an admission policy that somebody removed."""
    binding = f"{platform.instance}-tenants"
    kept = platform.cluster.get("validatingadmissionpolicybinding", binding)
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        kept["metadata"].pop(key, None)
    policy = platform.cluster.get("networkpolicy", "service", f"--namespace={platform.instance}")
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        policy["metadata"].pop(key, None)
    platform.cluster.kubectl("delete", "validatingadmissionpolicybinding", binding)
    platform.kubectl("delete", "networkpolicy", "service")
    try:
        code, found = examine(platform)
    finally:
        platform.cluster.kubectl("apply", "--filename=-", text=json.dumps(kept))
        platform.cluster.kubectl("apply", "--filename=-", text=json.dumps(policy))
    assert code == 1
    assert binding in found["admission"]["says"] and found["admission"]["todo"]
    for node in platform.cluster.nodes():
        network = found[f"network on {node.name}"]
        assert network["grade"] == "wrong" and "service" in network["says"] and network["todo"]

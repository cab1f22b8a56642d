"""Pod Security `restricted` and the platform's own rules: a pod of ours breaks none, each change to it breaks one."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.manifests.confined import excesses
from hubernate_core.manifests.restricted import violations
from hubernate_core.manifests.server import make_pod
from support.manifests import DIGEST, a_server, a_server_with_everything

Pod = dict[str, Any]


def put(path: str, value: Any) -> Callable[[Pod], None]:
    """A change: the value at ``a.0.b`` becomes `value`; missing parts are made."""

    def change(pod: Pod) -> None:
        *parts, last = path.split(".")
        at: Any = pod
        for part in parts:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        at[int(last) if isinstance(at, list) else last] = value

    return change


def add(path: str, value: Any) -> Callable[[Pod], None]:
    """A change: `value` is one more entry of the list at `path`."""

    def change(pod: Pod) -> None:
        *parts, last = path.split(".")
        at: Any = pod
        for part in parts:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        at.setdefault(last, []).append(value)

    return change


def drop(path: str) -> Callable[[Pod], None]:
    def change(pod: Pod) -> None:
        *parts, last = path.split(".")
        at: Any = pod
        for part in parts:
            at = at[int(part)] if isinstance(at, list) else at[part]
        del at[last]

    return change


NOTEBOOK, GATE, CONTEXT = "spec.containers.0", "spec.initContainers.0", "spec.securityContext"
BARE = {"name": "extra", "image": f"r.io/x@{DIGEST}"}
FORBIDDEN: dict[str, Callable[[Pod], None]] = {
    "host network": put("spec.hostNetwork", True),
    "host pids": put("spec.hostPID", True),
    "host ipc": put("spec.hostIPC", True),
    "host network as text": put("spec.hostNetwork", "false"),
    "host path": add("spec.volumes", {"name": "x", "hostPath": {"path": "/"}}),
    "nfs": add("spec.volumes", {"name": "x", "nfs": {"server": "a", "path": "/"}}),
    "git": add("spec.volumes", {"name": "x", "gitRepo": {"repository": "https://x"}}),
    "two kinds in one volume": put("spec.volumes.1.hostPath", {"path": "/"}),
    "volume of no kind": add("spec.volumes", {"name": "x"}),
    "sysctl": put(f"{CONTEXT}.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    "pod as root": put(f"{CONTEXT}.runAsUser", 0),
    "pod may be root": put(f"{CONTEXT}.runAsNonRoot", False),
    "pod unconfined": put(f"{CONTEXT}.seccompProfile", {"type": "Unconfined"}),
    "pod without seccomp": drop(f"{CONTEXT}.seccompProfile"),
    "pod without runAsNonRoot": drop(f"{CONTEXT}.runAsNonRoot"),
    "pod without context": drop(CONTEXT),
    "seccomp is null": put(f"{CONTEXT}.seccompProfile", None),
    "selinux type": put(f"{CONTEXT}.seLinuxOptions", {"type": "spc_t"}),
    "selinux user": put(f"{CONTEXT}.seLinuxOptions", {"user": "root"}),
    "selinux role": put(f"{NOTEBOOK}.securityContext.seLinuxOptions", {"role": "sysadm_r"}),
    "apparmor": put(f"{CONTEXT}.appArmorProfile", {"type": "Unconfined"}),
    "apparmor of old": put(
        "metadata.annotations", {"container.apparmor.security.beta.kubernetes.io/notebook": "unconfined"}
    ),
    "windows host process": put(f"{CONTEXT}.windowsOptions", {"hostProcess": True}),
    "one more init container": add("spec.initContainers", BARE),
    "one more container": add("spec.containers", BARE),
    "an ephemeral container": put("spec.ephemeralContainers", [BARE]),
} | {
    f"{container.split('.')[1]}: {name}": put(f"{container}.{path}", value)
    for container in (NOTEBOOK, GATE)
    for name, path, value in (
        ("privileged", "securityContext.privileged", True),
        ("escalation", "securityContext.allowPrivilegeEscalation", True),
        ("escalation unsaid", "securityContext.allowPrivilegeEscalation", None),
        ("escalation as text", "securityContext.allowPrivilegeEscalation", "false"),
        ("capability", "securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        ("capabilities kept", "securityContext.capabilities", {"drop": ["NET_RAW"]}),
        ("no capabilities named", "securityContext.capabilities", None),
        ("root", "securityContext.runAsUser", 0),
        ("may be root", "securityContext.runAsNonRoot", False),
        ("unconfined", "securityContext.seccompProfile", {"type": "Unconfined"}),
        ("proc mount", "securityContext.procMount", "Unmasked"),
        ("no context", "securityContext", {}),
        ("apparmor", "securityContext.appArmorProfile", {"type": "Unconfined"}),
        ("host process", "securityContext.windowsOptions", {"hostProcess": True}),
        ("selinux type", "securityContext.seLinuxOptions", {"type": "unconfined_t"}),
        ("host port", "ports", [{"containerPort": 1, "hostPort": 10250}]),
        ("probe of the node", "livenessProbe", {"httpGet": {"host": "127.0.0.1", "port": 10255}}),
        ("hook of the node", "lifecycle", {"postStart": {"tcpSocket": {"host": "169.254.169.254", "port": 80}}}),
    )
}
BEYOND: dict[str, Callable[[Pod], None]] = {
    "node name": put("spec.nodeName", "node-1"),
    "other account": put("spec.serviceAccountName", "hub"),
    "no account": drop("spec.serviceAccountName"),
    "account by its former name": put("spec.serviceAccount", "hub"),
    "token": put("spec.automountServiceAccountToken", True),
    "token by default": drop("spec.automountServiceAccountToken"),
    "service links": drop("spec.enableServiceLinks"),
    "shared processes": put("spec.shareProcessNamespace", True),
    "names for addresses": put("spec.hostAliases", [{"ip": "127.0.0.1", "hostnames": ["hub"]}]),
    "other dns": put("spec.dnsConfig", {"nameservers": ["1.1.1.1"]}),
    "system priority": put("spec.priorityClassName", "system-cluster-critical"),
    "restarts": put("spec.restartPolicy", "Always"),
    "tolerates everything": add("spec.tolerations", {"operator": "Exists"}),
    "another's secret": add("spec.volumes", {"name": "x", "secret": {"secretName": "hub1-sbbbbbbbb1-g1"}}),
    "a secret of no name": add("spec.volumes", {"name": "x", "secret": None}),
    "another's home": add("spec.volumes", {"name": "x", "persistentVolumeClaim": {"claimName": "hub1-home-ob"}}),
    "other settings": add("spec.volumes", {"name": "x", "configMap": {"name": "kube-root-ca.crt"}}),
    "projected token": add("spec.volumes", {"name": "x", "projected": {"sources": [{"serviceAccountToken": {}}]}}),
    "csi volume": add("spec.volumes", {"name": "x", "csi": {"driver": "hostpath.example.com"}}),
    "image without digest": put(f"{NOTEBOOK}.image", "127.0.0.1:5000/profiles/base:v1"),
    "no limits": drop(f"{NOTEBOOK}.resources"),
    "no disk limit": drop(f"{GATE}.resources.limits.ephemeral-storage"),
    "environment of a secret": put(f"{NOTEBOOK}.envFrom", [{"secretRef": {"name": "x"}}]),
    "variable of a secret": add(f"{NOTEBOOK}.env", {"name": "X", "valueFrom": {"secretKeyRef": {"name": "x"}}}),
}  # fmt: skip


@pytest.mark.parametrize("pod", [a_server(), a_server_with_everything()], ids=["plain", "with everything"])
def test_a_pod_of_ours_breaks_no_rule(pod: Any) -> None:
    made = make_pod(pod)
    assert violations(made) == []
    assert excesses(made) == []


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_change_that_the_standard_forbids_is_seen(name: str) -> None:
    pod = make_pod(a_server_with_everything())
    FORBIDDEN[name](pod)
    found = violations(pod)
    assert found
    assert all(line.startswith(("spec.", "metadata.")) and "(" in line for line in found), "field and rule"


@pytest.mark.parametrize("name", BEYOND)
def test_a_change_beyond_what_a_notebook_gets_is_seen(name: str) -> None:
    pod = make_pod(a_server_with_everything())
    BEYOND[name](pod)
    assert excesses(pod)


@given(st.sets(st.sampled_from(sorted(FORBIDDEN)), min_size=1, max_size=4))
def test_one_fault_never_hides_another(chosen: set[str]) -> None:
    pod = make_pod(a_server())
    for name in sorted(chosen):
        try:
            FORBIDDEN[name](pod)
        except (KeyError, TypeError, AttributeError):
            return  # an earlier change took away what this one changes
    assert violations(pod)


def test_what_the_standard_allows_is_no_violation() -> None:
    pod = make_pod(a_server())
    put(f"{CONTEXT}.sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}])(pod)
    put(f"{CONTEXT}.appArmorProfile", {"type": "RuntimeDefault"})(pod)
    put(f"{CONTEXT}.seLinuxOptions", {"level": "s0:c1,c2", "type": "container_t"})(pod)
    put(f"{NOTEBOOK}.securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})(pod)
    put(f"{NOTEBOOK}.securityContext.procMount", "Default")(pod)
    put(f"{NOTEBOOK}.securityContext.privileged", False)(pod)
    add("spec.volumes", {"name": "x", "csi": {"driver": "x"}})(pod)
    assert violations(pod) == []


def test_looking_changes_nothing() -> None:
    pod = make_pod(a_server())
    before = copy.deepcopy(pod)
    violations(pod), excesses(pod)
    assert json.dumps(pod) == json.dumps(before)

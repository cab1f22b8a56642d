"""A server's pod, Secret and claim: compared whole, and searched for what must not be there."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubernate_core import names
from hubernate_core.errors import InvalidInput
from hubernate_core.gate_file import GateFile
from hubernate_core.kubernetes import Cluster, Placement
from hubernate_core.manifests.confined import excesses
from hubernate_core.manifests.restricted import violations
from hubernate_core.manifests.server import make_gate_secret, make_home_claim, make_pod
from hubernate_core.profile import read_profile
from support.manifests import (
    CANARY,
    DIGEST,
    NAMESPACE,
    REGISTRY,
    a_gate_file,
    a_profile,
    a_server,
    a_server_with_everything,
)

LABELS = {
    "app.kubernetes.io/managed-by": "hubernate",
    "hubernate.io/instance": "hub1",
    "hubernate.io/tenant": "taaaaaaaa1",
    "hubernate.io/owner": "oaaaaaaaa1",
    "hubernate.io/server": "saaaaaaaa1",
    "hubernate.io/generation": "7",
}
BESIDE_MY_OTHER_SERVERS = {
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {
            "weight": 100,
            "podAffinityTerm": {
                "labelSelector": {
                    "matchLabels": {
                        "hubernate.io/instance": "hub1",
                        "hubernate.io/tenant": "taaaaaaaa1",
                        "hubernate.io/owner": "oaaaaaaaa1",
                        "hubernate.io/role": "notebook",
                    }
                },
                "topologyKey": "kubernetes.io/hostname",
            },
        }
    ]
}
GATE = {
    "name": "gate",
    "image": f"127.0.0.1:5000/platform/gate@{DIGEST}",
    "imagePullPolicy": "IfNotPresent",
    "restartPolicy": "Always",
    "ports": [{"name": "gate", "containerPort": 8888, "protocol": "TCP"}],
    "startupProbe": {"tcpSocket": {"port": "gate"}, "periodSeconds": 1, "failureThreshold": 120},
    "readinessProbe": {"tcpSocket": {"port": "gate"}, "periodSeconds": 10},
    "resources": {
        "requests": {"cpu": "50m", "memory": "128Mi", "ephemeral-storage": "16Mi"},
        "limits": {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "128Mi"},
    },
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
    },
    "volumeMounts": [{"name": "gate-file", "mountPath": "/etc/hubernate", "readOnly": True}],
    "terminationMessagePolicy": "FallbackToLogsOnError",
}
NOTEBOOK = {
    "name": "notebook",
    "image": f"127.0.0.1:5000/t-taaaaaaaa1/u-oaaaaaaaa1@{DIGEST}",
    "imagePullPolicy": "IfNotPresent",
    "env": [{"name": "HUBERNATE_BASE_URL", "value": "/user/alice/"}],
    "resources": {
        "requests": {"cpu": "1500m", "memory": "4Gi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "1500m", "memory": "4Gi", "ephemeral-storage": "50Gi"},
    },
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    "volumeMounts": [
        {"name": "home", "mountPath": "/home/jovyan"},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "shm", "mountPath": "/dev/shm"},
        {"name": "hold", "mountPath": "/run/hubernate", "readOnly": True},
    ],
    "lifecycle": {
        "preStop": {"exec": {"command": ["/bin/sh", "-c", "until [ -e /run/hubernate/released ]; do sleep 0.2; done"]}}
    },
    "terminationMessagePolicy": "FallbackToLogsOnError",
}


def test_a_pod_is_this_and_nothing_else() -> None:
    assert make_pod(a_server()) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "hub1-saaaaaaaa1-g7",
            "namespace": NAMESPACE,
            "labels": LABELS | {"hubernate.io/role": "notebook"},
            "annotations": {"hubernate.io/user": "alice"},
        },
        "spec": {
            "serviceAccountName": "notebook",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "fsGroup": 1000,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 600,
            "affinity": {"podAffinity": BESIDE_MY_OTHER_SERVERS},
            "initContainers": [GATE],
            "containers": [NOTEBOOK],
            "volumes": [
                {"name": "home", "persistentVolumeClaim": {"claimName": "hub1-home-oaaaaaaaa1"}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                {"name": "hold", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "gate-file", "secret": {"secretName": "hub1-saaaaaaaa1-g7", "defaultMode": 0o440}},
            ],
        },
    }


def test_what_profile_tenant_and_cluster_choose_reaches_the_pod() -> None:
    spec = make_pod(a_server_with_everything())["spec"]
    gate, notebook = spec["initContainers"][0], spec["containers"][0]
    assert notebook["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "1500m", "memory": "4Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "20Gi"},
    }
    assert "nvidia.com/gpu" not in json.dumps(gate), "a device is the notebook's"
    assert spec["nodeSelector"] == {"example.com/pool": "gpu"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoExecute"},
    ]
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["priorityClassName"] == "notebooks"
    assert spec["imagePullSecrets"] == [{"name": "hubernate-pull"}]
    assert spec["hostUsers"] is False
    assert spec["terminationGracePeriodSeconds"] == 900
    assert spec["securityContext"]["seLinuxOptions"] == {"level": "s0:c123,c456"}
    assert spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == [
        {
            "weight": 50,
            "preference": {
                "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2.example.com"]}]
            },
        }
    ]
    assert {"name": "ca", "mountPath": "/etc/hubernate", "readOnly": True} in notebook["volumeMounts"]
    assert {"name": "ca", "configMap": {"name": "hubernate-ca"}} in spec["volumes"]
    assert "ca" not in {mount["name"] for mount in gate["volumeMounts"]}


def test_only_the_gate_sees_the_gates_file() -> None:
    spec = make_pod(a_server())["spec"]
    sees = {
        each["name"]: {m["name"] for m in each["volumeMounts"]} for each in spec["initContainers"] + spec["containers"]
    }
    assert sees["gate"] == {"gate-file"}
    assert "gate-file" not in sees["notebook"]


def test_the_secret_is_the_gates_file_and_goes_with_the_pod() -> None:
    secret = make_gate_secret(a_server(), a_gate_file(), "0b1d5e1c-uid")
    assert secret["metadata"] == {
        "name": "hub1-saaaaaaaa1-g7",
        "namespace": NAMESPACE,
        "labels": LABELS,
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "hub1-saaaaaaaa1-g7", "uid": "0b1d5e1c-uid"}],
    }
    content = base64.b64decode(secret["data"]["gate.json"])
    assert GateFile.model_validate_json(content) == a_gate_file()


def test_a_home_belongs_to_a_person_and_to_no_pod() -> None:
    assert make_home_claim(a_server()) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "hub1-home-oaaaaaaaa1",
            "namespace": NAMESPACE,
            "labels": {
                "app.kubernetes.io/managed-by": "hubernate",
                "hubernate.io/instance": "hub1",
                "hubernate.io/tenant": "taaaaaaaa1",
                "hubernate.io/owner": "oaaaaaaaa1",
                "hubernate.io/role": "home",
            },
            "annotations": {"hubernate.io/user": "alice"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
    }
    assert make_home_claim(a_server_with_everything())["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": "fast-ssd",
    }


def expanded(text: str, variables: dict[str, str]) -> str:
    """As Kubernetes expands an environment value: ``$$`` is a dollar, ``$(X)`` a variable where there is one."""
    out, at = "", 0
    while at < len(text):
        if text.startswith("$$", at):
            out, at = out + "$", at + 2
        elif text.startswith("$(", at) and (end := text.find(")", at)) > 0:
            out, at = out + variables.get(text[at + 2 : end], text[at : end + 1]), end + 1
        else:
            out, at = out + text[at], at + 1
    return out


@given(st.text(alphabet="$()ABC{}%s", max_size=30))
def test_environment_arrives_as_it_was_written(value: str) -> None:
    env = make_pod(a_server(env={"A": "secret of another", "B": value}))["spec"]["containers"][0]["env"]
    assert expanded(env[1]["value"], {"A": "secret of another"}) == value


HOSTILE = [
    "{0.__class__}", "{{username}}", "$(HOSTNAME)", "%s%n", "a,hubernate.io/tenant=tother", "я=б", "kube-system",
    "x" * 250,
]  # fmt: skip


@pytest.mark.parametrize("user", HOSTILE)
def test_user_text_is_an_annotation_and_nothing_else(user: str) -> None:
    spec = a_server(shown={names.SHOW_USER: user}, env={})
    pod, claim = make_pod(spec), make_home_claim(spec)
    for made in (pod, claim):
        assert made["metadata"].pop("annotations") == {"hubernate.io/user": user}, "as it is, unexpanded"
        assert user not in json.dumps(made, ensure_ascii=False)
    secret = make_gate_secret(spec, a_gate_file(), "uid")
    assert user not in json.dumps(secret, ensure_ascii=False)


@given(st.integers(1, 10**9))
def test_no_token_is_outside_the_secret(generation: int) -> None:
    spec = a_server(generation=generation)
    made = json.dumps([make_pod(spec), make_home_claim(spec)])
    for text in (CANARY, base64.b64encode(CANARY.encode()).decode()[:20], "JUPYTERHUB", "hub_token"):
        assert text not in made
    assert CANARY not in repr(spec)


@pytest.mark.parametrize(
    "changes",
    [
        {"image": f"{REGISTRY}/profiles/base:v1"},
        {"image": "ubuntu"},
        {"image": f"user:pass@evil.example.com/x@{DIGEST}"},
        {"gate_image": f"{REGISTRY}/platform/gate:latest"},
        {"tenant_id": "t,x=y"},
        {"owner_id": "../../etc"},
        {"server_id": "kube-syste"},
        {"instance": "Hub_1"},
        {"instance": "hub1-" + "x" * 20},
        {"generation": 0},
        {"generation": True},
        {"generation": 10**12},
    ],
    ids=lambda changes: next(f"{key}={value}"[:40] for key, value in changes.items()),
)
def test_what_is_not_ours_makes_no_pod(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make_pod(a_server(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "kube-system/x"},
        {"namespace": "Team"},
        {"prefer_node": "node,other"},
        {"pull_secret": "../x"},
        {"storage_class": "a b"},
        {"priority_class": "system-node-critical"},
        {"selinux_level": "s0:c1;rm"},
        {"home_size": 0},
        {"access_mode": "ReadWriteEverything"},
        {"node_name": "node-1"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_placement_takes_nothing_else(changes: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, ValueError)):
        Placement(**({"namespace": NAMESPACE, "home_size": 1} | changes))


quantities = st.sampled_from(["100m", "1", "1500m", "32"])
sizes = st.sampled_from(["64Mi", "1Gi", "500M", "512Gi"])
devices = st.sampled_from(["nvidia.com/gpu", "amd.com/gpu", "example.com/fpga-2"])
labels = st.from_regex(r"[a-z]{1,9}\.io/[a-z]{1,9}", fullmatch=True)
tolerations = st.fixed_dictionaries({"key": st.sampled_from(["gpu", "x.io/team"]), "operator": st.just("Exists")})
profiles = st.fixed_dictionaries(
    {
        "devices": st.dictionaries(devices, st.integers(1, 64)),
        "node_selector": st.dictionaries(labels, st.just("yes"), max_size=3),
        "runtime_class": st.sampled_from(["", "nvidia", "kata.qemu"]),
        "tolerations": st.lists(tolerations, max_size=2),
        "disk": st.sampled_from(["1Gi", "100Gi"]),
    }
)


@given(
    kubernetes=profiles, cpu=quantities, memory=sizes, ca=st.booleans(), userns=st.booleans(),
    level=st.sampled_from(["", "s0:c1,c2"]), node=st.sampled_from(["", "node-1"]),
    env=st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=60), max_size=4),
)  # fmt: skip
@settings(max_examples=200)
def test_every_pod_that_can_be_built_is_confined(
    kubernetes: dict[str, Any],
    cpu: str,
    memory: str,
    ca: bool,
    userns: bool,
    level: str,
    node: str,
    env: dict[str, str],
) -> None:
    profile = read_profile(a_profile(kubernetes=kubernetes, resources={"cpu": cpu, "memory": memory}))
    placement = Placement(namespace=NAMESPACE, home_size=1024**3, selinux_level=level, prefer_node=node)
    cluster = Cluster(user_namespaces=userns)
    pod = make_pod(a_server(profile=profile, placement=placement, cluster=cluster, ca_bundle=ca, env=env))
    assert violations(pod) == []
    assert excesses(pod) == []
    assert json.loads(json.dumps(pod)) == pod, "plain JSON"

"""The two containers of a server's pod: what each may use, sees mounted, and is told."""

from collections.abc import Mapping

from ..gate_file import GATE_FILE, GATE_PORT, GATE_UID
from ..kubernetes import Cluster
from ..notebook import CA_BUNDLE, HOME
from ..profile import Profile
from ..quantity import format_bytes, format_millicpu
from .objects import JsonObject

GATE, NOTEBOOK = "gate", "notebook"
HOME_VOLUME, TMP_VOLUME, SHM_VOLUME, HOLD_VOLUME = "home", "tmp", "shm", "hold"
GATE_VOLUME, CA_VOLUME = "gate-file", "ca"
HOLD = "/run/hubernate"
RELEASED = f"{HOLD}/released"
"""A file. While it is not there, the notebook's preStop hook keeps the container and its changes alive."""
_HOLD_COMMAND = f"until [ -e {RELEASED} ]; do sleep 0.2; done"
_GATE_DISK = {"requests": "16Mi", "limits": "128Mi"}
"""A gate writes its log and nothing else; kubelets keep 50 MiB of it at most."""


def make_gate(image: str, cluster: Cluster) -> JsonObject:
    """The gate, a native sidecar: up before the notebook, so that nobody can take its port, and down after it."""
    listens = {"tcpSocket": {"port": GATE}}
    return {
        "name": GATE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "ports": [{"name": GATE, "containerPort": GATE_PORT, "protocol": "TCP"}],
        "startupProbe": listens | {"periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": listens | {"periodSeconds": 10},
        "resources": _resources(
            cpu=(max(1, cluster.gate_cpu // 10), cluster.gate_cpu),
            memory=(cluster.gate_memory, cluster.gate_memory),
            requests={"ephemeral-storage": _GATE_DISK["requests"]},
            limits={"ephemeral-storage": _GATE_DISK["limits"]},
        ),
        "securityContext": {
            **_confined(),
            "runAsUser": GATE_UID,
            "runAsGroup": GATE_UID,
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": GATE_VOLUME, "mountPath": GATE_FILE.rpartition("/")[0], "readOnly": True}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def make_notebook(image: str, profile: Profile, env: Mapping[str, str], *, ca_bundle: bool) -> JsonObject:
    """The person's container: loopback only, no port, no token; command and folder from the image."""
    wishes, limits = profile.kubernetes, profile.resources
    devices = {device: str(count) for device, count in sorted(wishes.devices.items())}
    mounts: list[JsonObject] = [
        {"name": HOME_VOLUME, "mountPath": HOME},
        {"name": TMP_VOLUME, "mountPath": "/tmp"},
        {"name": SHM_VOLUME, "mountPath": "/dev/shm"},
        # The agent writes from the node's side; nothing the user runs can end the hold.
        {"name": HOLD_VOLUME, "mountPath": HOLD, "readOnly": True},
    ]
    if ca_bundle:
        mounts.append({"name": CA_VOLUME, "mountPath": CA_BUNDLE.rpartition("/")[0], "readOnly": True})
    return {
        "name": NOTEBOOK,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": _literal(value)} for name, value in sorted(env.items())],
        "resources": _resources(
            cpu=(_or(wishes.cpu_guarantee, limits.cpu), limits.cpu),
            memory=(_or(wishes.memory_guarantee, limits.memory), limits.memory),
            requests=devices | {"ephemeral-storage": format_bytes(wishes.disk_guarantee)},
            limits=devices | {"ephemeral-storage": format_bytes(wishes.disk)},
        ),
        "securityContext": _confined(),
        "volumeMounts": mounts,
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", _HOLD_COMMAND]}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _confined() -> JsonObject:
    """On every container; user, groups and seccomp stand at the pod."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _resources(
    *, cpu: tuple[int, int], memory: tuple[int, int], requests: dict[str, str], limits: dict[str, str]
) -> JsonObject:
    """Requests and limits; `cpu` in thousandths of a core and `memory` in bytes, each (reserved, most)."""
    return {
        "requests": {"cpu": format_millicpu(cpu[0]), "memory": format_bytes(memory[0])} | requests,
        "limits": {"cpu": format_millicpu(cpu[1]), "memory": format_bytes(memory[1])} | limits,
    }


def _or(wanted: int | None, otherwise: int) -> int:
    return otherwise if wanted is None else wanted


def _literal(text: str) -> str:
    """`text` as Kubernetes' expansion of ``$(NAME)`` leaves it alone (B07).

    Source: k8s.io/kubernetes/third_party/forked/golang/expansion/expand.go.
    """
    return text.replace("$", "$$")

"""One start of one server: its pod, the Secret with the gate's file, and the claim of the home (0002)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from .. import names
from ..gate_file import GATE_FILE, GateFile
from ..image_ref import parse_image
from ..kubernetes import Cluster, Placement
from ..names import OwnerId, ServerId, TenantId
from ..notebook import NOTEBOOK_UID, shared_memory
from ..profile import Profile
from ..quantity import format_bytes
from ..scheduling import Toleration
from . import containers
from .access import CA_CONFIG_MAP, NOTEBOOK_ACCOUNT
from .network import NOTEBOOK_ROLE
from .objects import JsonObject, make_object

HOME_ROLE = "home"
GATE_KEY = GATE_FILE.rpartition("/")[2]
_HOLD_BYTES = 1024**2


@dataclass(frozen=True)
class ServerSpec:
    """All that a server's objects are made of. No token is among it: the gate's file goes into the Secret alone.

    Args:
        image: registry/repository@digest of the notebook.
        gate_image: reference of the gate's image, also with a digest.
        env: the notebook's whole environment, as it is meant to arrive.
        ca_bundle: whether the tenant's namespace holds the CA bundle, to be mounted at `notebook.CA_BUNDLE`.
        shown: annotations for people (`names.SHOW_…`), any text.
    """

    instance: str
    tenant_id: TenantId
    owner_id: OwnerId
    server_id: ServerId
    generation: int
    profile: Profile
    image: str
    gate_image: str
    placement: Placement
    cluster: Cluster
    env: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: bool = False
    shown: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the pod and of its Secret. Raises InvalidInput where an id or the instance is malformed."""
        return names.server_pod(self.instance, self.server_id, self.generation)

    @property
    def claim(self) -> str:
        """Of the home's claim. Raises InvalidInput where an id or the instance is malformed."""
        return names.home_claim(self.instance, self.owner_id)

    @property
    def owner_labels(self) -> dict[str, str]:
        """Whose something is."""
        return {
            names.KUBE_INSTANCE: names.check_instance(self.instance),
            names.KUBE_TENANT: names.check_id(self.tenant_id, "tenant_id"),
            names.KUBE_OWNER: names.check_id(self.owner_id, "owner_id"),
        }

    @property
    def labels(self) -> dict[str, str]:
        """Of the pod and of its Secret, the role excepted."""
        return self.owner_labels | {
            names.KUBE_SERVER: names.check_id(self.server_id, "server_id"),
            names.KUBE_GENERATION: str(self.generation),
        }


def make_pod(spec: ServerSpec) -> JsonObject:
    """The pod: the gate as a native sidecar, then the notebook.

    Raises:
        InvalidInput: a malformed id, or an image without a digest; nothing was made.
    """
    parse_image(spec.image, "ticket.image", need_digest=True)
    parse_image(spec.gate_image, "images.gate", need_digest=True)
    labels = spec.labels | {names.KUBE_ROLE: NOTEBOOK_ROLE}
    pod = make_object("v1", "Pod", spec.name, spec.placement.namespace, labels, spec.shown)
    return pod | {"spec": _what_it_may(spec) | _where_it_goes(spec) | _what_it_runs(spec)}


def _what_it_may(spec: ServerSpec) -> JsonObject:
    security: JsonObject = {
        "runAsNonRoot": True,
        "runAsUser": NOTEBOOK_UID,
        "runAsGroup": NOTEBOOK_UID,
        # The home's files, and the gate's file, which the gate reads as a member of this group.
        "fsGroup": NOTEBOOK_UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if spec.placement.selinux_level:
        security["seLinuxOptions"] = {"level": spec.placement.selinux_level}
    return {
        "serviceAccountName": NOTEBOOK_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
    } | ({"hostUsers": False} if spec.cluster.user_namespaces else {})


def _where_it_goes(spec: ServerSpec) -> JsonObject:
    wishes, placement = spec.profile.kubernetes, spec.placement
    made: JsonObject = {
        "restartPolicy": "Never",  # a UID names one container of one generation, and a dead one stays to be saved
        "terminationGracePeriodSeconds": spec.cluster.save_grace_s,
        "affinity": _affinity(spec),
    }
    if placement.priority_class:
        made["priorityClassName"] = placement.priority_class
    if placement.pull_secret:
        made["imagePullSecrets"] = [{"name": placement.pull_secret}]
    if wishes.runtime_class:
        made["runtimeClassName"] = wishes.runtime_class
    if wishes.node_selector:
        made["nodeSelector"] = dict(wishes.node_selector)
    if wishes.tolerations:
        made["tolerations"] = [_toleration(each) for each in wishes.tolerations]
    return made


def _affinity(spec: ServerSpec) -> JsonObject:
    """Wishes, never conditions: a node that is gone must not keep a person from their notebook."""
    mine = {"matchLabels": spec.owner_labels | {names.KUBE_ROLE: NOTEBOOK_ROLE}}
    beside = {"labelSelector": mine, "topologyKey": "kubernetes.io/hostname"}
    # Most volumes can be attached to one node: a person's second server finds its home where the first one runs.
    made: JsonObject = {
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": beside}]}
    }
    if spec.placement.prefer_node:
        here = {"key": "metadata.name", "operator": "In", "values": [spec.placement.prefer_node]}
        node = {"weight": 50, "preference": {"matchFields": [here]}}
        made["nodeAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": [node]}
    return made


def _toleration(wanted: Toleration) -> JsonObject:
    made = {"key": wanted.key, "operator": wanted.operator, "effect": wanted.effect}
    return made | ({"value": wanted.value} if wanted.operator == "Equal" else {})


def _what_it_runs(spec: ServerSpec) -> JsonObject:
    shm = format_bytes(shared_memory(spec.profile.resources.memory))
    volumes: list[JsonObject] = [
        {"name": containers.HOME_VOLUME, "persistentVolumeClaim": {"claimName": spec.claim}},
        # No size limit of its own: above one the kubelet evicts at once. /tmp counts towards the profile's `disk`.
        {"name": containers.TMP_VOLUME, "emptyDir": {}},
        {"name": containers.SHM_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": shm}},
        {"name": containers.HOLD_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": format_bytes(_HOLD_BYTES)}},
        {"name": containers.GATE_VOLUME, "secret": {"secretName": spec.name, "defaultMode": 0o440}},
    ]
    if spec.ca_bundle:
        volumes.append({"name": containers.CA_VOLUME, "configMap": {"name": CA_CONFIG_MAP}})
    return {
        "initContainers": [containers.make_gate(spec.gate_image, spec.cluster)],
        "containers": [containers.make_notebook(spec.image, spec.profile, spec.env, ca_bundle=spec.ca_bundle)],
        "volumes": volumes,
    }


def make_gate_secret(spec: ServerSpec, gate_file: GateFile, pod_uid: str) -> JsonObject:
    """The Secret with the gate's file. It belongs to the pod and goes with it.

    Made once more with another file it replaces the first (``PUT``): the gate reads the change.
    """
    made = make_object("v1", "Secret", spec.name, spec.placement.namespace, spec.labels)
    made["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": spec.name, "uid": pod_uid}]
    content = base64.b64encode(gate_file.model_dump_json().encode()).decode()
    return made | {"type": "Opaque", "data": {GATE_KEY: content}}


def make_home_claim(spec: ServerSpec) -> JsonObject:
    """The claim of the person's home in this tenant. No pod owns it: it stays until somebody deletes it on purpose."""
    placement = spec.placement
    user = {key: value for key, value in spec.shown.items() if key == names.SHOW_USER}
    labels = spec.owner_labels | {names.KUBE_ROLE: HOME_ROLE}
    claim = make_object("v1", "PersistentVolumeClaim", spec.claim, placement.namespace, labels, user)
    wanted: JsonObject = {
        "accessModes": [placement.access_mode],
        "resources": {"requests": {"storage": format_bytes(placement.home_size)}},
    }
    if placement.storage_class:
        wanted["storageClassName"] = placement.storage_class
    return claim | {"spec": wanted}

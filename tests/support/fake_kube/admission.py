"""What the API server does with an object between authorization and storage, in its order."""

from collections.abc import Callable

from . import defaults, limits, pod_security, quota, status
from .collection import CLAIM_FINALIZER
from .resources import (
    BY_PLURAL,
    CLAIMS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    STORAGE_CLASSES,
    Object,
    Resource,
)
from .store import Store

Check = Callable[[str, Resource, Object, Object | None], None]


def check_namespace(store: Store, resource: Resource, metadata: Object) -> None:
    """404 where the namespace is missing, 403 where it is ending (plugin NamespaceLifecycle)."""
    name = metadata["namespace"]
    space = store.get(NAMESPACES, "", name)
    if "deletionTimestamp" in space["metadata"]:
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise status.forbidden(resource, metadata.get("name", ""), why, [cause])


def defaulted(store: Store, resource: Resource, found: Object) -> None:
    """Fill in what an update leaves out."""
    defaults.set_defaults(resource, found)


def on_create(store: Store, resource: Resource, found: Object) -> None:
    """Defaults and mutating admission; also the checks that come with them."""
    if resource == PODS:
        limits.fill_in(store, found)
    defaults.set_defaults(resource, found)
    if resource == NAMESPACES:
        found["spec"] = {"finalizers": ["kubernetes"]}
        found["status"] = {"phase": "Active"}
    if resource == CLAIMS:
        _claim(store, found)
    if resource == PODS:
        _service_account(store, found)
        _priority(store, found)
        found["status"] = {"phase": "Pending", "qosClass": defaults.quality_of_service(found["spec"])}


def _claim(store: Store, found: Object) -> None:
    finalizers = found["metadata"].setdefault("finalizers", [])
    if CLAIM_FINALIZER not in finalizers:
        finalizers.append(CLAIM_FINALIZER)
    found["status"] = {"phase": "Pending"}
    if found["spec"].get("storageClassName") is None:
        mark = "storageclass.kubernetes.io/is-default-class"
        for each in store.all(STORAGE_CLASSES):
            if (each["metadata"].get("annotations") or {}).get(mark) == "true":
                found["spec"]["storageClassName"] = each["metadata"]["name"]


def _service_account(store: Store, found: Object) -> None:
    metadata, spec = found["metadata"], found["spec"]
    name = spec["serviceAccountName"]
    account = store.find(SERVICE_ACCOUNTS, metadata["namespace"], name)
    if account is None:
        why = f'error looking up service account {metadata["namespace"]}/{name}: serviceaccount "{name}" not found'
        raise status.forbidden(PODS, metadata.get("name", ""), why)
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if not wanted or any(each["name"].startswith("kube-api-access-") for each in spec.get("volumes") or ()):
        return
    volume = f"kube-api-access-{metadata['uid'][:5]}"
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    spec.setdefault("volumes", []).append({"name": volume, "projected": {"sources": sources, "defaultMode": 0o644}})
    mount = {"name": volume, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    for each in [*spec.get("containers", ()), *(spec.get("initContainers") or ())]:
        each.setdefault("volumeMounts", []).append(dict(mount))


def _priority(store: Store, found: Object) -> None:
    name = found["spec"].get("priorityClassName")
    if not name:
        return
    found_class = store.find(BY_PLURAL["scheduling.k8s.io", "priorityclasses"], "", name)
    builtin = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    if found_class is None and name not in builtin:
        raise status.forbidden(PODS, found["metadata"].get("name", ""), f"no PriorityClass with name {name} was found")
    found["spec"]["priority"] = found_class["value"] if found_class else builtin[name]


def prepare(resource: Resource, found: Object) -> None:
    """What is written into the status after all admission (k8s.io/kubernetes/pkg/registry/core/pod/strategy.go)."""
    if resource == PODS and found["spec"].get("schedulingGates"):
        why = "Scheduling is blocked due to non-empty scheduling gates"
        gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": why}
        found["status"]["conditions"] = [gated | {"lastProbeTime": None, "lastTransitionTime": None}]


def check_create(store: Store, resource: Resource, found: Object) -> None:
    """Validating admission: limits, Pod Security, and quota last, as the server does."""
    if resource == PODS:
        limits.check(store, found)
        pod_security.check(store, found)
    elif resource == CLAIMS:
        limits.check_claim(store, found)
    if resource.namespaced:
        quota.check(store, resource, found)


def _check_growth(store: Store, old: Object, found: Object) -> None:
    """Only classes that say so let their claims grow (plugin PersistentVolumeClaimResize)."""
    if old["spec"]["resources"] == found["spec"]["resources"]:
        return
    name = found["spec"].get("storageClassName")
    kind = store.find(STORAGE_CLASSES, "", name) if name else None
    if not (kind and kind.get("allowVolumeExpansion")):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
            "resize"
        )
        raise status.forbidden(CLAIMS, found["metadata"]["name"], why)


def check_update(store: Store, resource: Resource, old: Object, found: Object) -> None:
    """The same for a change."""
    if resource == CLAIMS:
        _check_growth(store, old, found)
        limits.check_claim(store, found)
    if resource in (CLAIMS, BY_PLURAL["", "services"]):
        quota.check(store, resource, found, old)

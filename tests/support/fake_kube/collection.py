"""What controllers do after a write: owner references, namespaces that end, claims in use, quota status."""

from typing import TYPE_CHECKING

from . import quota
from .resources import CLAIMS, CONFIG_MAPS, NAMESPACES, PODS, QUOTAS, SERVICE_ACCOUNTS, Object, Resource

if TYPE_CHECKING:
    from .store import Store
    from .writing import Writer

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"


def dependents(store: "Store", uid: str) -> list[tuple[Resource, Object]]:
    """Objects that name that owner."""
    return [
        (resource, each)
        for resource, each in store.everything()
        if any(owner.get("uid") == uid for owner in each["metadata"].get("ownerReferences") or ())
    ]


def after_change(writer: "Writer", resource: Resource, found: Object) -> None:
    """Follow up on a created or changed object."""
    metadata = found["metadata"]
    if resource == NAMESPACES:
        if "deletionTimestamp" in metadata:
            _end_namespace(writer, metadata["name"])
        elif metadata["resourceVersion"] and not writer.store.find(SERVICE_ACCOUNTS, metadata["name"], "default"):
            _furnish_namespace(writer, metadata["name"])
        return
    if "deletionTimestamp" in metadata:
        _finish_deletion(writer, resource, found)
    if resource == PODS and found.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        _release_claims(writer, metadata["namespace"])
    owners = metadata.get("ownerReferences") or ()
    if owners and "deletionTimestamp" not in metadata and not any(_lives(writer, metadata, each) for each in owners):
        _delete(writer, resource, found)  # born an orphan: the collector takes it at once
    if resource.namespaced:
        _count_quota(writer, resource, metadata["namespace"])


def after_removal(writer: "Writer", resource: Resource, last: Object) -> None:
    """Follow up on an object that is gone."""
    metadata = last["metadata"]
    for kind, each in dependents(writer.store, metadata["uid"]):
        owners = each["metadata"]["ownerReferences"]
        if not any(_lives(writer, each["metadata"], owner) for owner in owners):
            _delete(writer, kind, each)
    if resource == PODS:
        _release_claims(writer, metadata["namespace"])
    if resource.namespaced:
        _count_quota(writer, resource, metadata["namespace"])
        space = writer.store.find(NAMESPACES, "", metadata["namespace"])
        if space and "deletionTimestamp" in space["metadata"]:
            _end_namespace(writer, metadata["namespace"])


def _lives(writer: "Writer", metadata: Object, owner: Object) -> bool:
    kind = writer.store.by_kind.get((owner["apiVersion"], owner["kind"]))
    if kind is None:
        return True  # unknown kinds are left alone, as the collector does
    found = writer.store.find(kind, metadata.get("namespace", "") if kind.namespaced else "", owner["name"])
    return found is not None and found["metadata"]["uid"] == owner["uid"]


def _delete(writer: "Writer", resource: Resource, found: Object) -> None:
    metadata = found["metadata"]
    if writer.store.find(resource, metadata.get("namespace", ""), metadata["name"]):
        writer.delete(resource, metadata.get("namespace", ""), metadata["name"])


def _finish_deletion(writer: "Writer", resource: Resource, found: Object) -> None:
    """Take off the finalizers that controllers of the cluster own, once they are done."""
    metadata = found["metadata"]
    left = list(metadata.get("finalizers") or ())
    if "foregroundDeletion" in left:
        for kind, each in dependents(writer.store, metadata["uid"]):
            _delete(writer, kind, each)
        left.remove("foregroundDeletion")
    if "orphan" in left:
        for kind, each in dependents(writer.store, metadata["uid"]):
            kept = [owner for owner in each["metadata"]["ownerReferences"] if owner["uid"] != metadata["uid"]]
            writer.store.put(kind, {**each, "metadata": {**each["metadata"], "ownerReferences": kept}})
        left.remove("orphan")
    if CLAIM_FINALIZER in left and not _in_use(writer, metadata["namespace"], metadata["name"]):
        left.remove(CLAIM_FINALIZER)
    if left != list(metadata.get("finalizers") or ()):
        changed = {**found, "metadata": {**metadata, "finalizers": left}}
        if not left:
            del changed["metadata"]["finalizers"]
        writer._store(resource, changed)


def _in_use(writer: "Writer", namespace: str, claim: str) -> bool:
    return any(
        volume.get("persistentVolumeClaim", {}).get("claimName") == claim
        for pod in writer.store.all(PODS, namespace)
        if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        for volume in pod["spec"].get("volumes") or ()
    )


def _release_claims(writer: "Writer", namespace: str) -> None:
    for claim in writer.store.all(CLAIMS, namespace):
        if "deletionTimestamp" in claim["metadata"]:
            _finish_deletion(writer, CLAIMS, claim)


def _furnish_namespace(writer: "Writer", name: str) -> None:
    writer.create(SERVICE_ACCOUNTS, name, {"metadata": {"name": "default"}})
    bundle = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "fake"}}
    writer.create(CONFIG_MAPS, name, bundle)


def _end_namespace(writer: "Writer", name: str) -> None:
    """Delete what it holds; when it is empty, let it go. Pods take their grace period first."""
    if name in writer.emptying:
        return  # each object that goes calls this again
    writer.emptying.add(name)
    try:
        for resource in [each for each in writer.store.resources if each.namespaced]:
            for each in writer.store.all(resource, name):
                there = writer.store.find(resource, name, each["metadata"]["name"])
                if there and "deletionTimestamp" not in there["metadata"]:
                    writer.delete(resource, name, each["metadata"]["name"])
    finally:
        writer.emptying.discard(name)
    space = writer.store.find(NAMESPACES, "", name)
    empty = not any(writer.store.all(each, name) for each in writer.store.resources if each.namespaced)
    if space and empty and space.get("spec", {}).get("finalizers") == ["kubernetes"]:
        writer._store(NAMESPACES, {**space, "spec": {}})


def _count_quota(writer: "Writer", changed: Resource, namespace: str) -> None:
    for each in writer.store.all(QUOTAS, namespace):
        hard = each["spec"].get("hard", {})
        if changed != QUOTAS and not quota.concerns(changed, hard):
            continue
        used = quota.used(writer.store, namespace, hard)
        if each.get("status") != {"hard": hard, "used": used}:
            writer.store.put(
                QUOTAS, {**each, "metadata": dict(each["metadata"]), "status": {"hard": hard, "used": used}}
            )

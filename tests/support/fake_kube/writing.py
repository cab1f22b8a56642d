"""Writes with the API server's own life cycle: metadata, admission, finalizers, graceful deletion, collection."""

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from . import admission, collection, escalation, status
from .ownership import tracked
from .rbac import Authorizer
from .resources import NAMESPACES, PODS, Object, Resource, copied
from .store import Store
from .validation import validate_change, validate_metadata

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def stamp(moment: datetime | None = None) -> str:
    """A time as the API writes it, in whole seconds."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Writing:
    """Who writes, and how: user name and groups for admission, manager for managedFields."""

    user: str = "kubernetes-admin"
    groups: tuple[str, ...] = ("system:masters",)
    manager: str = "test"
    dry_run: bool = False
    subresource: str = ""


@dataclass(frozen=True)
class Deleting:
    """DeleteOptions."""

    uid: str = ""
    version: str = ""
    grace_s: int | None = None
    propagation: str = "Background"
    dry_run: bool = False


@dataclass
class Writer:
    """The one way in which objects change."""

    store: Store
    authorizer: Authorizer
    extra_admission: list[admission.Check] = field(default_factory=list)
    """Called as (operation, resource, object, old object); a check refuses by raising a Refusal."""
    emptying: set[str] = field(default_factory=set)
    """Namespaces whose content is being deleted by a call further out."""

    def create(self, resource: Resource, namespace: str, given: Object, how: Writing = Writing()) -> Object:
        """The new object. 404 no such namespace, 409 name taken, 422 invalid, 403 refused by admission."""
        found = copied(given)
        metadata = found.setdefault("metadata", {})
        if metadata is None:
            metadata = found["metadata"] = {}
        with self.store.lock:
            self._identify(resource, namespace, found)
            if metadata.get("resourceVersion"):
                raise status.Refusal(500, "", "resourceVersion should not be set on objects to be created")
            if resource.status:
                found.pop("status", None)
            if resource.generation:
                metadata["generation"] = 1
            admission.on_create(self.store, resource, found)
            escalation.check(self.authorizer, resource, found, how.user, how.groups)
            validate_metadata(resource, found)
            admission.check_create(self.store, resource, found)
            for check in self.extra_admission:
                check("CREATE", resource, found, None)
            admission.prepare(resource, found)
            if self.store.find(resource, metadata.get("namespace", ""), metadata["name"]):
                raise status.already_exists(resource, metadata["name"])
            if not metadata.get("managedFields"):
                tracked(found, None, how.manager, how.subresource)
            _tidy(metadata)
            if how.dry_run:
                return found
            created = self.store.put(resource, found)
            collection.after_change(self, resource, created)
            return self.store.find(resource, metadata.get("namespace", ""), metadata["name"]) or created

    def _identify(self, resource: Resource, namespace: str, found: Object) -> None:
        metadata = found["metadata"]
        found["apiVersion"], found["kind"] = resource.api_version, resource.kind
        if resource.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                why = "the namespace of the provided object does not match the namespace sent on the request"
                raise status.bad_request(why)
            admission.check_namespace(self.store, resource, metadata)
        else:
            metadata.pop("namespace", None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + "".join(secrets.choice(_ALPHABET) for _ in range(5))
        for ours in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(ours, None)
        metadata["uid"], metadata["creationTimestamp"] = str(uuid.uuid4()), stamp()

    def update(self, resource: Resource, namespace: str, name: str, given: Object, how: Writing = Writing()) -> Object:
        """The new version; the same version where nothing changed. 409 stale, 404, 422, 403."""
        found = copied(given)
        metadata = found.setdefault("metadata", {})
        if metadata.setdefault("name", name) != name:
            why = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise status.bad_request(why)
        with self.store.lock:
            old = self.store.get(resource, namespace, name)
            was = old["metadata"]
            if metadata.get("uid") and metadata["uid"] != was["uid"]:
                key = f"/registry/{resource.plural}/{namespace}/{name}".replace("//", "/")
                why = (
                    f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                    f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {was['uid']}"
                )
                raise status.conflict(resource, name, why)
            if metadata.get("resourceVersion") and metadata["resourceVersion"] != was["resourceVersion"]:
                raise status.conflict(resource, name)
            found = self._prepared(resource, old, found, how)
            _tidy(found["metadata"])
            if "managedFields" not in metadata or metadata["managedFields"] == was.get("managedFields"):
                tracked(found, old, how.manager, how.subresource)
            if _same(old, found):
                return old
            if how.subresource != "status":
                validate_change(resource, old, found)
                admission.check_update(self.store, resource, old, found)
            for check in self.extra_admission:
                check("UPDATE", resource, found, old)
            if how.dry_run:
                return found
            return self._store(resource, found)

    def _prepared(self, resource: Resource, old: Object, found: Object, how: Writing) -> Object:
        metadata, was = found["metadata"], old["metadata"]
        found["apiVersion"], found["kind"] = resource.api_version, resource.kind
        for ours in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
                     "namespace", "generateName", "resourceVersion"):  # fmt: skip
            metadata.pop(ours, None)
            if ours in was:
                metadata[ours] = was[ours]
        if how.subresource == "status":
            kept = {**old, "metadata": {**was, **{k: metadata[k] for k in ("labels", "annotations") if k in metadata}}}
            return {**copied(kept), **({"status": found["status"]} if "status" in found else {})}
        if resource.status:
            found.pop("status", None)
            if "status" in old:
                found["status"] = old["status"]
        if resource == NAMESPACES and how.subresource != "finalize":
            found["spec"] = old.get("spec", {})
        admission.defaulted(self.store, resource, found)
        if resource.generation and {k: v for k, v in found.items() if k not in ("metadata", "status")} != {
            k: v for k, v in old.items() if k not in ("metadata", "status")
        }:
            metadata["generation"] = was.get("generation", 1) + 1
        return found

    def _store(self, resource: Resource, found: Object) -> Object:
        metadata = found["metadata"]
        finished = (
            "deletionTimestamp" in metadata
            and not metadata.get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
            and not (resource == NAMESPACES and found.get("spec", {}).get("finalizers"))
        )
        stored = self.store.put(resource, found)
        if finished:
            return self._remove(resource, stored)
        collection.after_change(self, resource, stored)
        return stored

    def delete(self, resource: Resource, namespace: str, name: str, how: Deleting = Deleting()) -> tuple[Object, bool]:
        """The object as it was left, and whether it is gone. 409 where a precondition does not hold."""
        with self.store.lock:
            old = self.store.get(resource, namespace, name)
            metadata = old["metadata"]
            if how.uid and how.uid != metadata["uid"]:
                why = (
                    f"the UID in the precondition ({how.uid}) does not match the UID in record ({metadata['uid']}). "
                    "The object might have been deleted and then recreated"
                )
                raise status.precondition_failed(resource, name, why)
            if how.version and how.version != metadata["resourceVersion"]:
                why = (
                    f"the ResourceVersion in the precondition ({how.version}) does not match the ResourceVersion in "
                    f"record ({metadata['resourceVersion']}). The object might have been modified"
                )
                raise status.precondition_failed(resource, name, why)
            found = copied(old)
            grace = self._grace(resource, old, how)
            finalizers = list(metadata.get("finalizers") or [])
            wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(how.propagation)
            if wanted and wanted not in finalizers and collection.dependents(self.store, metadata["uid"]):
                finalizers.append(wanted)
            held = bool(finalizers) or (resource == NAMESPACES and bool(old.get("spec", {}).get("finalizers")))
            if how.dry_run:
                return old, not (grace or held)
            if not grace and not held:
                return self._remove(resource, self._last(resource, old)), True
            if self._same_deletion(metadata, grace, finalizers):
                return old, False
            ends = datetime.now(UTC) + timedelta(seconds=grace)
            found["metadata"] |= {"deletionTimestamp": stamp(ends), "deletionGracePeriodSeconds": grace}
            if finalizers:
                found["metadata"]["finalizers"] = finalizers
            if resource.generation and "deletionTimestamp" not in metadata:
                found["metadata"]["generation"] = metadata.get("generation", 1) + 1
            if resource == NAMESPACES:
                found["status"] = {**found.get("status", {}), "phase": "Terminating"}
            stored = self.store.put(resource, found)
            collection.after_change(self, resource, stored)
            return stored, self.store.find(resource, namespace, name) is None

    @staticmethod
    def _last(resource: Resource, old: Object) -> Object:
        """What a pod looks like when it goes: deleted, with no grace left. Other kinds go as they are."""
        if resource != PODS:
            return old
        metadata = dict(old["metadata"])
        if "deletionTimestamp" not in metadata:
            metadata |= {"deletionTimestamp": stamp(), "generation": metadata.get("generation", 1) + 1}
        return {**old, "metadata": {**metadata, "deletionGracePeriodSeconds": 0}}

    @staticmethod
    def _grace(resource: Resource, old: Object, how: Deleting) -> int:
        """Only pods are deleted gracefully, and only those that a kubelet may be running."""
        if resource != PODS:
            return 0
        if not old["spec"].get("nodeName") or old.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        default = old["spec"].get("terminationGracePeriodSeconds", 30)
        return max(0, default if how.grace_s is None else how.grace_s)

    @staticmethod
    def _same_deletion(metadata: Object, grace: int, finalizers: list[str]) -> bool:
        """A second delete may only shorten the grace period."""
        if "deletionTimestamp" not in metadata or finalizers != list(metadata.get("finalizers") or []):
            return False
        return grace >= metadata.get("deletionGracePeriodSeconds", 0)

    def _remove(self, resource: Resource, old: Object) -> Object:
        old["metadata"]
        last = self.store.remove(resource, old)
        collection.after_removal(self, resource, last)
        return last

    def status(self, resource: Resource, namespace: str, name: str, change: dict[str, Any]) -> Object:
        """Merge top-level keys into `status`; what controllers and kubelets do."""
        with self.store.lock:
            old = self.store.get(resource, namespace, name)
            now = {**old, "metadata": dict(old["metadata"]), "status": {**old.get("status", {}), **change}}
            return old if now["status"] == old.get("status") else self._store(resource, now)


def _tidy(metadata: Object) -> None:
    """Empty maps and lists of metadata are not kept."""
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if key in metadata and not metadata[key]:
            del metadata[key]


def _same(old: Object, found: Object) -> bool:
    def bare(each: Object) -> Object:
        metadata = {k: v for k, v in each["metadata"].items() if k not in ("managedFields", "resourceVersion") and v}
        return {**each, "metadata": metadata}

    return bare(old) == bare(found)

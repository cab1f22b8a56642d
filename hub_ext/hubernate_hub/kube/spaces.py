"""A tenant's namespace and what it holds: made, compared, put right. Nothing that is not ours is ever touched."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import Conflict, HubernateError, NotFound, Unavailable
from hubernate_core.names import KUBE_INSTANCE, KUBE_TENANT, TenantId, label_selector
from hubernate_core.tenant import Tenant

from .client import KubeApi
from .drift import differences
from .resources import NAMESPACES, Object, Resource, name_of, resource_of

_AT_ONCE = 8
_UNREAD = frozenset({"Secret"})
"""Kinds that this service may write and must not read: applied every time."""
_log = logging.getLogger(__name__)
_Present = Mapping[tuple[str, str, str], Object]


@dataclass(frozen=True)
class Space:
    """What is known of one tenant's namespace. Without `ready` and `problem`: it was not looked at yet."""

    ready: bool = False
    problem: str = ""


class Spaces:
    """Brings tenants' namespaces to what `build` says: the Namespace first, then what is in it."""

    def __init__(self, api: KubeApi, instance: str, build: Callable[[Tenant], Sequence[Object]]) -> None:
        self._api, self._build, self._instance = api, build, instance
        self._known: dict[TenantId, Space] = {}
        self._right: dict[TenantId, dict[tuple[str, str, str], str]] = {}
        """Digest of the manifest to which each object was last known to be right: what is not so was never made or is
        to change, by an admin's or an upgrade's word."""
        self.drift = Counter[str]()
        """Objects that somebody else changed or deleted and that were put right, by kind, since the service began."""

    def space(self, tenant: TenantId) -> Space:
        """What is known of a tenant's namespace."""
        return self._known.get(tenant, Space())

    def check(self, tenant: TenantId) -> None:
        """Refuse to start anything where the namespace is not ready.

        Raises:
            Unavailable: it is being prepared, or cannot be; for the person who waits.
        """
        space = self.space(tenant)
        if space.ready:
            return
        if space.problem:
            raise Unavailable(
                f"your team's space on the cluster is not ready: {space.problem}. Nothing was started or lost; an admin"
                " has to look",
                retry_after_s=30,
            )
        raise Unavailable("your team's space is being prepared; try again in a moment", retry_after_s=3)

    async def provision(self, tenants: Iterable[Tenant]) -> None:
        """Bring the namespaces of `tenants` in order; one that fails keeps nobody else's from it.

        Raises:
            Unavailable: what is there cannot be read, so nothing was done.
        """
        wanted = {tenant.id: list(self._build(tenant)) for tenant in tenants}
        selector = label_selector({KUBE_INSTANCE: self._instance})
        ours, _ = await self._api.list(NAMESPACES, selector)
        present = {_key(NAMESPACES, each): each for each in ours}
        if ours:
            kinds = {resource_of(each) for manifests in wanted.values() for each in manifests}
            for resource in sorted(kinds - {NAMESPACES}, key=lambda each: each.plural):
                if resource.kind not in _UNREAD:
                    found, _ = await self._api.list(resource, selector)
                    present |= {_key(resource, each): each for each in found}
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(tenant: TenantId) -> None:
            async with slots:
                self._remember(tenant, await self._outcome(tenant, wanted[tenant], present))

        await asyncio.gather(*(one(tenant) for tenant in wanted))

    async def remove(self, tenant: TenantId, name: str) -> bool:
        """Delete the namespace of a deleted tenant with all that is in it; whether it is gone by now.

        Raises:
            Conflict: it is not ours.  Unavailable: the API server does not answer, or may not be told to.
        """
        try:
            found = await self._api.get(NAMESPACES, "", name)
        except NotFound:
            self._known.pop(tenant, None)
            self._right.pop(tenant, None)
            return True
        metadata = found.get("metadata") or {}
        self._check_ours(tenant, name, metadata)
        if not metadata.get("deletionTimestamp"):
            with contextlib.suppress(NotFound):
                await self._api.delete(NAMESPACES, "", name, uid=metadata["uid"], grace_s=0)
            _log.info("namespace of a deleted tenant is being removed", extra={"tenant": tenant, "namespace": name})
        return False

    def _check_ours(self, tenant: TenantId, name: str, metadata: Mapping[str, Any]) -> None:
        labels = metadata.get("labels") or {}
        if (labels.get(KUBE_INSTANCE), labels.get(KUBE_TENANT)) != (self._instance, tenant):
            raise Conflict(
                f"namespace {name} is there and does not carry this platform's labels {KUBE_INSTANCE} and {KUBE_TENANT}"
                " with the right values, so it is not ours and was not touched. Rename or remove it"
            )

    async def _outcome(self, tenant: TenantId, manifests: Sequence[Object], present: _Present) -> Space:
        try:
            fresh = await self._namespace(tenant, manifests[0], present)
            for manifest in manifests[1:]:
                await self._put_right(tenant, manifest, present, fresh=fresh)
        except Conflict as problem:
            return Space(problem=problem.message)
        except HubernateError as problem:
            # A space that was in order stays usable while the API server is away.
            return Space(self.space(tenant).ready, problem.message)
        return Space(ready=True)

    async def _namespace(self, tenant: TenantId, manifest: Object, present: _Present) -> bool:
        """Make sure of the namespace; whether it is new.

        Raises:
            Conflict: it is somebody else's, or being deleted.
        """
        _, name = name_of(manifest)
        found = present.get(_key(NAMESPACES, manifest))
        if found is None:
            try:
                await self._api.create_namespace(manifest)
            except Conflict:
                found = await self._api.get(NAMESPACES, "", name)
            else:
                _log.info("namespace made", extra={"tenant": tenant, "namespace": name})
                self._right[tenant] = {_key(NAMESPACES, manifest): _digest(manifest)}
                return True
        metadata = found.get("metadata") or {}
        self._check_ours(tenant, name, metadata)
        if metadata.get("deletionTimestamp"):
            raise Conflict(f"namespace {name} is being deleted; it is made anew once it is gone")
        await self._put_right(tenant, manifest, present, fresh=False)
        return False

    async def _put_right(self, tenant: TenantId, manifest: Object, present: _Present, *, fresh: bool) -> None:
        resource, digest = resource_of(manifest), _digest(manifest)
        key, right = _key(resource, manifest), self._right.setdefault(tenant, {})
        found = None if fresh else present.get(key)
        fields = [] if found is None else differences(manifest, found)
        if found is not None and not fields:
            right[key] = digest
            return
        try:
            await self._api.apply(manifest)
        except NotFound as problem:
            raise Unavailable(f"{problem.message}; the namespace went away meanwhile") from problem
        drifted = right.get(key) == digest
        right[key] = digest
        if fresh or resource.kind in _UNREAD:
            return
        what = {"tenant": tenant, "kind": resource.kind, "object": "/".join(key[1:]).strip("/"), "fields": fields}
        if drifted:
            self.drift[resource.kind] += 1
            _log.warning("somebody changed or deleted a tenant's object; it was put right", extra=what)
        else:
            _log.info("a tenant's object was made, or changed to what it is to be now", extra=what)

    def _remember(self, tenant: TenantId, space: Space) -> None:
        before = self.space(tenant)
        if space != before:
            where = {"tenant": tenant}
            if space.problem:
                _log.error("a tenant's space is not in order", extra=where | {"problem": space.problem})
            elif not before.ready or before.problem:
                _log.info("a tenant's space is ready", extra=where)
        self._known[tenant] = space


def _digest(manifest: Object) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _key(resource: Resource, thing: Object) -> tuple[str, str, str]:
    # Lists leave out the kind of their items, so it is told apart by the resource.
    return (resource.plural, *name_of(thing))

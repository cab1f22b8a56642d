"""The few calls that the spawner makes to the Kubernetes API: each bounded in time, its errors turned into ours.

Answers are plain dicts. Nothing here retries or decides. Rights that they need: `hubernate_core.manifests.access`.
"""

import json
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiException, CoreV1Api

from hubernate_core.errors import Conflict, NotFound, Unavailable

from .kube_errors import refusal

JsonObject = dict[str, Any]
_GRACE_S = 2
"""For a pod that was never ready. Its preStop hold would wait for a save that nobody makes."""


class KubeApi:
    """One hub's connection. Every method raises a `HubernateError` and nothing else when it fails."""

    def __init__(self, core: CoreV1Api, timeout_s: float) -> None:
        self._core, self._timeout_s = core, timeout_s

    async def create_pod(self, pod: JsonObject) -> JsonObject:
        """The pod as it was made.

        Raises:
            Conflict: a pod of that name is there; it is never replaced.
            QuotaRefused: the namespace's quota has no room.
        """
        return await self._call("make the pod", "create_namespaced_pod", _namespace(pod), pod)

    async def read_pod(self, namespace: str, name: str) -> JsonObject:
        """The pod as it is now. Raises NotFound when it is gone."""
        return await self._call("look at the pod", "read_namespaced_pod", name, namespace)

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod that was never ready. Gone already, or another one of that name: fine, and not touched."""
        body = {"preconditions": {"uid": uid}, "gracePeriodSeconds": _GRACE_S}
        try:
            await self._call("delete the pod", "delete_namespaced_pod", name, namespace, body=body)
        except (NotFound, Conflict):
            return

    async def create_secret(self, secret: JsonObject) -> None:
        """Make the Secret, or replace the one of that name, which is ours: it is named after one pod."""
        try:
            await self._call("make the gate's Secret", "create_namespaced_secret", _namespace(secret), secret)
        except Conflict:
            await self.replace_secret(secret)

    async def replace_secret(self, secret: JsonObject) -> None:
        """Put another content into the Secret. Raises NotFound if there is none."""
        name = secret["metadata"]["name"]
        await self._call("renew the gate's Secret", "replace_namespaced_secret", name, _namespace(secret), secret)

    async def read_claim(self, namespace: str, name: str) -> JsonObject:
        """A home's claim. Raises NotFound if there is none."""
        return await self._call("look at the home", "read_namespaced_persistent_volume_claim", name, namespace)

    async def create_claim(self, claim: JsonObject) -> JsonObject:
        """Make a home's claim. Raises Conflict, QuotaRefused as `create_pod`."""
        return await self._call("make the home", "create_namespaced_persistent_volume_claim", _namespace(claim), claim)

    async def enlarge_claim(self, namespace: str, name: str, size: str) -> None:
        """Ask for a larger home. Raises NotAllowed or Broken where its StorageClass cannot."""
        body = {"spec": {"resources": {"requests": {"storage": size}}}}
        await self._call("enlarge the home", "patch_namespaced_persistent_volume_claim", name, namespace, body)

    async def _call(self, what: str, method: str, *arguments: Any, **options: Any) -> JsonObject:
        call = getattr(self._core, method)
        try:
            response = await call(*arguments, _preload_content=False, _request_timeout=self._timeout_s, **options)
            body = await response.read()
        except (aiohttp.ClientError, ApiException, TimeoutError, OSError) as problem:
            raise Unavailable(
                f"could not {what}: the Kubernetes API did not answer ({type(problem).__name__})"
            ) from problem
        if not 200 <= response.status < 300:
            raise refusal(what, response.status, body, response.headers.get("Retry-After", ""))
        answer: JsonObject = json.loads(body)
        return answer


def _namespace(thing: JsonObject) -> str:
    return str(thing["metadata"]["namespace"])

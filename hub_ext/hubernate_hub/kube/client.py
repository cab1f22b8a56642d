"""One connection to the API server: credentials, deadlines, errors. What is asked stands with those who ask."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from hubernate_core.errors import InvalidInput, Unavailable, shorten

from .config import KubernetesBackend
from .errors import error_of
from .resources import NAMESPACES, Object, Resource, name_of, resource_of

if TYPE_CHECKING:  # imported where it is used: 60 MB that a service beside Docker Engine does not need
    from kubernetes_asyncio.client import ApiClient, Configuration

FIELD_MANAGER = "hubernate"
_TOKEN_AGAIN_S = 60.0
_APPLY = "application/apply-patch+yaml"
_log = logging.getLogger(__name__)


class KubeApi:
    """The API server. Connects at the first call, so that a dead one costs nobody the start of the service.

    Every method raises what `errors.error_of` says; Unavailable also where no answer came within `request_timeout_s`.
    """

    def __init__(self, settings: KubernetesBackend) -> None:
        self._settings = settings
        self._client: ApiClient | None = None
        self._opening = asyncio.Lock()

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object."""
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, selector: str = "", *, namespace: str = "", limit: int = 500
    ) -> tuple[list[dict[str, Any]], str]:
        """Every object of one namespace or of all, read from the store itself and not from a cache, in pages; and the
        resourceVersion to watch from."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = {"limit": str(limit), "labelSelector": selector, "continue": token}
            page = await self._call("GET", resource.path(namespace), query)
            found += page.get("items") or []
            metadata = page.get("metadata") or {}
            token = str(metadata.get("continue") or "")
            if not token:
                return found, str(metadata.get("resourceVersion", ""))

    async def create(self, resource: Resource, body: Object, namespace: str = "") -> dict[str, Any]:
        """Create an object, or ask a question where `resource` is a review."""
        return await self._call("POST", resource.path(namespace), body=body)

    async def apply(self, manifest: Object) -> dict[str, Any]:
        """Server-side apply as `FIELD_MANAGER`; fields of ours that somebody else changed become ours again."""
        resource, (namespace, name) = resource_of(manifest), name_of(manifest)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", resource.path(namespace, name), query, body=manifest, content_type=_APPLY)

    async def create_namespace(self, manifest: Object) -> dict[str, Any]:
        """Create a namespace as `FIELD_MANAGER`. Raises Conflict where one of that name is there."""
        return await self._call("POST", NAMESPACES.path(), {"fieldManager": FIELD_MANAGER}, body=manifest)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str, grace_s: int) -> None:
        """Begin to delete an object if it is the one with `uid`.

        Raises:
            NotFound: it is gone.  Conflict: another object has its name by now.
        """
        body = {"preconditions": {"uid": uid}, "gracePeriodSeconds": grace_s, "propagationPolicy": "Background"}
        await self._call("DELETE", resource.path(namespace, name), body=body)

    async def watch(self, resource: Resource, selector: str, since: str) -> AsyncIterator[dict[str, Any]]:
        """Events after resourceVersion `since`, with bookmarks, until the API server ends the stream."""
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(self._settings.watch_for_s)),
        }
        deadline = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.request_timeout_s, sock_read=self._settings.watch_silent_s
        )
        async with self._stream("GET", resource.path(), query, None, deadline=deadline) as answer:
            async for line in answer.content:
                if line.strip():
                    yield _decoded(line, "watch")

    async def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Object | None = None,
        content_type: str = "",
    ) -> dict[str, Any]:
        deadline = aiohttp.ClientTimeout(total=self._settings.request_timeout_s)
        async with self._stream(
            method, path, query or {}, body, deadline=deadline, content_type=content_type
        ) as answer:
            content = _decoded(await answer.read(), f"{method} {path}")
        return content

    @asynccontextmanager
    async def _stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        *,
        deadline: aiohttp.ClientTimeout,
        content_type: str = "",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": "application/json", "Content-Type": content_type or "application/json"}
        what = f"{method} {path}"
        try:
            client = await self._connected()
            answer: aiohttp.ClientResponse = await client.call_api(
                path,
                method,
                query_params=[(key, value) for key, value in query.items() if value],
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=deadline,
            )
            async with answer:
                if answer.status >= 400:
                    raise error_of(answer.status, _soft(await answer.read()), what, _retry_after(answer))
                yield answer
        except (TimeoutError, aiohttp.ClientError, OSError) as problem:
            reason = shorten(str(problem) or type(problem).__name__, 200)
            raise Unavailable(f"{what}: the API server did not answer ({reason}); running servers go on") from problem

    async def _connected(self) -> "ApiClient":
        from kubernetes_asyncio.client import ApiClient

        async with self._opening:
            if self._client is None:
                self._client = ApiClient(await self._configuration())
                self._client.user_agent = "hubernate-service"
        return self._client

    async def _configuration(self) -> "Configuration":
        from kubernetes_asyncio.client import Configuration
        from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config

        settings, configuration = self._settings, Configuration()
        try:
            if settings.api_url:
                configuration.host = settings.api_url.rstrip("/")
                configuration.ssl_ca_cert = settings.ca_file or None
                if settings.token_file:
                    configuration.refresh_api_key_hook = _TokenFile(settings)
                    configuration.refresh_api_key_hook(configuration)  # it is only asked where there is a token before
            elif settings.kubeconfig:
                await load_kube_config(settings.kubeconfig, client_configuration=configuration, persist_config=False)
            else:
                load_incluster_config(client_configuration=configuration)
        except (ConfigException, OSError) as problem:
            raise Unavailable(f"no way to the API server: {problem}; set c.KubernetesBackend.kubeconfig") from problem
        return configuration


class _TokenFile:
    """Puts the present content of the token file into a configuration."""

    def __init__(self, settings: KubernetesBackend) -> None:
        self._path = settings.path("token_file")
        self._read_at = 0.0

    def __call__(self, configuration: "Configuration") -> None:
        if self._path is None or (self._read_at and time.monotonic() - self._read_at < _TOKEN_AGAIN_S):
            return
        configuration.api_key["BearerToken"] = f"Bearer {self._path.read_text().strip()}"
        self._read_at = time.monotonic()


def check_settings(settings: KubernetesBackend) -> None:
    """Refuse settings that cannot work, before anything starts.

    Raises:
        InvalidInput: a file is not there, or there is no way to the API server at all.
    """
    for name in ("kubeconfig", "token_file", "ca_file", "pull_config_file", "notebook_ca_file"):
        path = settings.path(name)
        if path is not None and not path.is_file():
            raise InvalidInput(f"c.KubernetesBackend.{name}", f"{path} is not there")
    if not settings.api_url and not settings.kubeconfig:
        from kubernetes_asyncio.client import Configuration
        from kubernetes_asyncio.config import ConfigException, load_incluster_config

        try:
            load_incluster_config(client_configuration=Configuration())
        except ConfigException as problem:
            reason = f"empty, and this is no pod with a service account ({problem})"
            raise InvalidInput("c.KubernetesBackend.kubeconfig", reason) from problem


def _decoded(data: bytes, what: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as problem:
        raise Unavailable(f"{what}: the API server answered something that is not JSON") from problem
    if not isinstance(content, dict):
        raise Unavailable(f"{what}: the API server answered in a shape this service does not know")
    return content


def _soft(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data[:300].decode(errors="replace")


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None

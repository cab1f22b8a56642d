"""HTTP in, HTTP out: authentication, authorization, faults, then the verb."""

import asyncio
import base64
import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

from . import apply, discovery, patch, status, subresources
from .calls import Call, CallLog
from .faults import Faults
from .kubelet import Kubelet
from .rbac import Attributes, Authorizer, Subject
from .request import Asked, is_true, parsed
from .resources import NAMESPACES, PODS, Object, Resource
from .selectors import by_fields, by_labels
from .store import Store
from .tokens import Tokens
from .watching import Watches
from .writing import Writer, Writing


@dataclass
class Stale:
    """Lists answered from the past: items and version as they were, for `resourceVersion=0` or for all."""

    items: list[Object]
    version: int
    always: bool


@dataclass
class Endpoint:
    """Everything that a request may need."""

    store: Store
    writer: Writer
    tokens: Tokens
    authorizer: Authorizer
    watches: Watches
    kubelet: Kubelet
    calls: CallLog = field(default_factory=CallLog)
    faults: Faults = field(default_factory=Faults)
    stale: dict[Resource, Stale] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        query = {key: request.query[key] for key in request.query}
        call = Call(request.method.lower(), "", "", "", "", "", "", query, request.path)
        try:
            who = self.tokens.who(request.headers.get("Authorization", ""))
            call = dataclasses.replace(call, subject=who.user)
            asked = parsed(self.store, request.method, request.path, query)
            if asked:
                call = dataclasses.replace(
                    call, verb=asked.verb, group=asked.resource.group, resource=asked.resource.plural,
                    subresource=asked.subresource, namespace=asked.namespace, name=asked.name,
                )  # fmt: skip
            fault = self.faults.of(call)
            if fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault.cut:
                return self._broken(request, call)
            if fault.status:
                raise _Faulty(fault.status, fault.reason, fault.message, fault.retry_after_s)
            response = await self._serve(request, who, asked, query, call)
            if fault.lose_answer:
                return self._broken(request, call)
        except status.Refusal as refusal:
            response = _json(refusal.status(), refusal.code)
            if isinstance(refusal, _Faulty) and refusal.retry_after_s:
                response.headers["Retry-After"] = str(refusal.retry_after_s)
        if call.verb != "watch" or response.status != 200:
            self.calls.add(dataclasses.replace(call, status=response.status))
        return response

    def _broken(self, request: web.Request, call: Call) -> web.Response:
        self.calls.add(call)
        if request.transport:
            request.transport.abort()
        return web.Response()

    async def _serve(
        self, request: web.Request, who: Subject, asked: Asked | None, query: dict[str, str], call: Call
    ) -> web.StreamResponse:
        if asked is None:
            self.authorizer.check(who, Attributes(request.method.lower(), path=request.path))
            found = discovery.answer(self.store, request.path)
            if found is None:
                return web.Response(text="404 page not found\n", status=404)
            return web.Response(text=found) if isinstance(found, str) else _json(found)
        self.authorizer.check(who, _attributes(asked), asked.resource)
        if not asked.resource.kind:
            raise status.no_such_path()
        if asked.verb == "watch":
            self.calls.add(dataclasses.replace(call, status=200))
            return await self.watches.serve(request, asked, self._predicate(asked, query))
        body = _body(await request.read(), request.content_type)
        how = Writing(
            user=who.user,
            groups=who.all_groups,
            manager=query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0],
            dry_run=query.get("dryRun") == "All",
            subresource=asked.subresource,
        )
        if asked.subresource == "log":
            text = self.kubelet.runtime.logs(asked.namespace, asked.name, query.get("container", ""))
            self.store.get(PODS, asked.namespace, asked.name)
            return web.Response(text=text)
        verb = {"patch": self._patch, "create": self._create}.get(asked.verb)
        if verb:
            return verb(request, asked, body, how, who)
        if asked.verb == "update":
            return _json(self.writer.update(asked.resource, asked.namespace, asked.name, body, how))
        if asked.verb == "delete":
            return self._delete(asked, body, query)
        if asked.verb == "deletecollection":
            return self._delete_many(asked, body, query)
        if asked.verb == "list":
            return self._list(asked, query)
        return _json(self.store.get(asked.resource, asked.namespace, asked.name))

    def _predicate(self, asked: Asked, query: dict[str, str]) -> Any:
        labels = by_labels(query.get("labelSelector", ""))
        fields = by_fields(query.get("fieldSelector", ""), asked.resource)
        return lambda found: labels(found) and fields(found)

    def _list(self, asked: Asked, query: dict[str, str]) -> web.Response:
        matches = self._predicate(asked, query)
        old = self.stale.get(asked.resource)
        with self.store.lock:
            version = self.store.version
            if int(query.get("resourceVersion") or 0) > version:
                raise status.too_new(int(query["resourceVersion"]), version)
            found = self.store.all(asked.resource, asked.namespace or None)
        if old and (old.always or query.get("resourceVersion") == "0"):
            found = [
                each for each in old.items if not asked.namespace or each["metadata"]["namespace"] == asked.namespace
            ]
            version = old.version
        found = [each for each in found if matches(each)]
        metadata: Object = {"resourceVersion": str(version)}
        if query.get("limit") or query.get("continue"):
            found, metadata = self._page(asked, found, query, version)
        items = [_bare(each) for each in found]
        return _json(
            {
                "kind": f"{asked.resource.kind}List",
                "apiVersion": asked.resource.api_version,
                "metadata": metadata,
                "items": items,
            }
        )

    def _page(
        self, asked: Asked, found: list[Object], query: dict[str, str], version: int
    ) -> tuple[list[Object], Object]:
        def key(each: Object) -> list[str]:
            return [each["metadata"].get("namespace", ""), each["metadata"]["name"]]

        if query.get("continue"):
            begun, after = json.loads(base64.urlsafe_b64decode(query["continue"]))
            self.store.since(asked.resource, begun)  # 410 where that list is too old to be continued
            found, version = [each for each in found if key(each) > after], begun
        limit = int(query.get("limit") or 0) or len(found)
        page, rest = found[:limit], len(found) - limit
        metadata: Object = {"resourceVersion": str(version)}
        if rest > 0:
            token = base64.urlsafe_b64encode(json.dumps([version, key(page[-1])]).encode()).decode()
            metadata |= {"continue": token, "remainingItemCount": rest}
        return page, metadata

    def _create(self, request: web.Request, asked: Asked, body: Object, how: Writing, who: Subject) -> web.Response:
        if asked.resource.kind == "TokenReview":
            return _json(self.tokens.review(body), 201)
        if asked.resource.virtual:
            return _json(subresources.review_access(self.authorizer, who, asked.resource.kind, body), 201)
        special = {"eviction": subresources.evict, "binding": subresources.bind}.get(asked.subresource)
        if special:
            return _json(special(self.writer, asked.namespace, asked.name, body), 201)
        if asked.subresource == "token":
            return _json(self.tokens.request(asked.namespace, asked.name, body), 201)
        if asked.subresource:
            raise status.method_not_allowed()
        return _json(self.writer.create(asked.resource, asked.namespace, body, how), 201)

    def _patch(self, request: web.Request, asked: Asked, body: Any, how: Writing, who: Subject) -> web.Response:
        kind = request.content_type
        with self.store.lock:
            if kind.startswith("application/apply-patch+"):
                return self._apply(request, asked, body, how, who)
            old = self.store.get(asked.resource, asked.namespace, asked.name)
            patches = {
                "application/merge-patch+json": patch.merged,
                "application/strategic-merge-patch+json": patch.strategic,
                "application/json-patch+json": patch.json_patched,
            }
            if kind not in patches:
                raise status.Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
            new = patches[kind](old, body)
            given = body.get("metadata") or {} if isinstance(body, dict) else {}
            if "resourceVersion" not in given:
                new["metadata"] = {key: value for key, value in new["metadata"].items() if key != "resourceVersion"}
            return _json(self.writer.update(asked.resource, asked.namespace, asked.name, new, how))

    def _apply(self, request: web.Request, asked: Asked, body: Object, how: Writing, who: Subject) -> web.Response:
        if not request.query.get("fieldManager"):
            cause = {
                "reason": "FieldValueRequired",
                "message": "Required value: is required for apply patch",
                "field": "fieldManager",
            }
            why = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}
            raise status.Refusal(422, "Invalid", why, details)
        if body.get("apiVersion") != asked.resource.api_version or body.get("kind") != asked.resource.kind:
            group, _, version = body.get("apiVersion", "").rpartition("/")
            raise status.bad_request(f"invalid object type: {group}/{version}, Kind={body.get('kind', '')}")
        if not (body.get("metadata") or {}).get("name"):
            why = f"the name of the object ({asked.name} based on URL) was undeterminable: name must be provided"
            raise status.bad_request(why)
        if body["metadata"].get("managedFields"):
            raise status.bad_request("metadata.managedFields must be nil")
        old = self.store.find(asked.resource, asked.namespace, asked.name)
        given_metadata = body["metadata"]
        version = given_metadata.pop("resourceVersion", None)
        uid = given_metadata.get("uid")
        if old is None:
            if uid:
                why = "uid mismatch: the provided object specified uid " + f"{uid}, and no existing object was found"
                raise status.conflict(asked.resource, asked.name, why)
            self.authorizer.check(who, dataclasses.replace(_attributes(asked), verb="create"), asked.resource)
        elif version and version != old["metadata"]["resourceVersion"]:
            raise status.conflict(asked.resource, asked.name)
        force = is_true(request.query.get("force"))
        new = apply.applied(asked.resource, old, body, how.manager, force)
        if old is None:
            return _json(self.writer.create(asked.resource, asked.namespace, new, how), 201)
        return _json(self.writer.update(asked.resource, asked.namespace, asked.name, new, how))

    def _delete(self, asked: Asked, body: Object, query: dict[str, str]) -> web.Response:
        options = subresources.deleting(body, query)
        found, gone = self.writer.delete(asked.resource, asked.namespace, asked.name, options)
        if asked.resource.returns_deleted or not gone:
            return _json(found)
        group = {"group": asked.resource.group} if asked.resource.group else {}
        uid = found["metadata"]["uid"]
        return _json(subresources.success(name=asked.name, **group, kind=asked.resource.plural, uid=uid))

    def _delete_many(self, asked: Asked, body: Object, query: dict[str, str]) -> web.Response:
        matches = self._predicate(asked, query)
        options = subresources.deleting(body, query)
        with self.store.lock:
            found = [each for each in self.store.all(asked.resource, asked.namespace or None) if matches(each)]
            for each in found:
                self.writer.delete(
                    asked.resource, each["metadata"].get("namespace", ""), each["metadata"]["name"], options
                )
        kind = f"{asked.resource.kind}List"
        metadata = {"resourceVersion": str(self.store.version)}
        return _json(
            {
                "kind": kind,
                "apiVersion": asked.resource.api_version,
                "metadata": metadata,
                "items": [_bare(each) for each in found],
            }
        )


class _Faulty(status.Refusal):
    def __init__(self, code: int, reason: str, message: str, retry_after_s: int) -> None:
        super().__init__(code, reason, message)
        self.retry_after_s = retry_after_s


def _attributes(asked: Asked) -> Attributes:
    # A Namespace counts as inside itself: a Role there may allow to get it.
    inside = asked.name if asked.resource == NAMESPACES else asked.namespace
    name = "" if asked.verb == "create" and not asked.subresource else asked.name
    return Attributes(asked.verb, asked.resource.group, asked.resource.plural, asked.subresource, inside, name)


def _body(content: bytes, kind: str) -> Any:
    if not content:
        return {}
    try:
        return yaml.safe_load(content) if "yaml" in kind else json.loads(content)
    except (ValueError, yaml.YAMLError) as e:
        raise status.bad_request(f"the object provided is unrecognized: {e}") from e


def _json(found: Object, code: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(found, separators=(",", ":")).encode(), status=code, content_type="application/json"
    )


def _bare(found: Object) -> Object:
    """As an item of a list: without type, as built-in kinds are."""
    return {key: value for key, value in found.items() if key not in ("apiVersion", "kind")}

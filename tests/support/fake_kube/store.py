"""Objects by resource, namespace and name; one counter of versions; the history that watches are served from.

Nothing is decided here: no defaults, no rights, no life cycle. Any thread may call.
"""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from . import status
from .resources import BY_KIND, BY_PLURAL, RESOURCES, Object, Resource

_T = TypeVar("_T")
HISTORY = 20_000
"""Changes kept for each resource; older ones are compacted away, as etcd does after some minutes."""


@dataclass(frozen=True)
class Change:
    """One version of one object; `before` is what it replaced."""

    version: int
    type: str
    resource: Resource
    object: Object
    before: Object | None

    @cached_property
    def line(self) -> bytes:
        """The watch event; made once, sent to many."""
        return event_line(self.type, self.object)


def event_line(kind: str, found: Object) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": found}, separators=(",", ":")).encode() + b"\n"


class Store:
    """What there is, and what there was."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 1
        self.by_plural, self.by_kind = dict(BY_PLURAL), dict(BY_KIND)
        self._objects: dict[Resource, dict[str, dict[str, Object]]] = defaultdict(dict)
        self._history: dict[Resource, deque[Change]] = defaultdict(deque)
        self._compacted: dict[Resource, int] = defaultdict(int)
        self._listeners: list[Callable[[Change], None]] = []
        self._worked_out: dict[str, tuple[str, dict[str, Any]]] = {}

    @property
    def resources(self) -> Iterable[Resource]:
        """All that is served, custom resources too."""
        return self.by_plural.values()

    def register(self, resource: Resource) -> None:
        """Serve one more resource."""
        self.by_plural[resource.group, resource.plural] = resource
        self.by_kind[resource.api_version, resource.kind] = resource

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        with self.lock:
            return self._objects[resource].get(namespace, {}).get(name)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The object, or 404."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise status.not_found(resource, name)
        return found

    def all(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """All of a namespace, or of all; ordered by namespace and name."""
        with self.lock:
            spaces = self._objects[resource]
            keys = sorted(spaces) if namespace is None else [namespace]
            return [spaces[key][name] for key in keys if key in spaces for name in sorted(spaces[key])]

    def put(self, resource: Resource, found: Object) -> Object:
        """Store a new object or a new version; the store sets its resourceVersion. The object is not copied."""
        metadata = found["metadata"]
        with self.lock:
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            space = self._objects[resource].setdefault(metadata.get("namespace", ""), {})
            before = space.get(metadata["name"])
            space[metadata["name"]] = found
            self._record(Change(self.version, "MODIFIED" if before else "ADDED", resource, found, before))
        return found

    def remove(self, resource: Resource, found: Object) -> Object:
        """Take the object away; `found` is its last state, which is stamped with the version of its removal."""
        namespace, name = found["metadata"].get("namespace", ""), found["metadata"]["name"]
        with self.lock:
            before = self.get(resource, namespace, name)
            self.version += 1
            last = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
            del self._objects[resource][namespace][name]
            self._worked_out.pop(found["metadata"]["uid"], None)
            self._record(Change(self.version, "DELETED", resource, last, before))
        return last

    def _record(self, change: Change) -> None:
        history = self._history[change.resource]
        history.append(change)
        if len(history) > HISTORY:
            self._compacted[change.resource] = history.popleft().version
        for listener in tuple(self._listeners):
            listener(change)

    def since(self, resource: Resource, version: int) -> list[Change]:
        """Changes after that version. 410 where the history does not reach back."""
        with self.lock:
            if version < self._compacted[resource]:
                raise status.gone(version, self._compacted[resource])
            found = []
            for change in reversed(self._history[resource]):
                if change.version <= version:
                    break
                found.append(change)
            return found[::-1]

    def compact(self) -> None:
        """Forget the history up to now: a watch from an older version is answered 410."""
        with self.lock:
            self.version += 1
            for resource in {*RESOURCES, *self._history}:
                self._history[resource].clear()
                self._compacted[resource] = self.version

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call for every change, in order, under the lock: return quickly. What comes back ends it."""
        with self.lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def worked_out(self, found: Object, name: str, work: Callable[[Object], _T]) -> _T:
        """`work(found)`, done once for each version of the object: with hundreds of pods it is asked for often."""
        uid, version = found["metadata"]["uid"], found["metadata"]["resourceVersion"]
        with self.lock:
            kept = self._worked_out.get(uid)
            if kept is None or kept[0] != version:
                kept = self._worked_out[uid] = version, {}
            if name not in kept[1]:
                kept[1][name] = work(found)
            answer: _T = kept[1][name]
            return answer

    def everything(self) -> Iterator[tuple[Resource, Object]]:
        """All objects; a snapshot."""
        with self.lock:
            return iter(
                [
                    (kind, each)
                    for kind, spaces in self._objects.items()
                    for space in spaces.values()
                    for each in space.values()
                ]
            )

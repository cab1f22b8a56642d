"""What we know of one kind of object, kept by lists and events. Pure: no connection, no clock."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hubernate_core.errors import Unavailable

from .errors import error_of
from .resources import Object

T = TypeVar("T")
_PUT = frozenset({"ADDED", "MODIFIED"})


@dataclass(frozen=True)
class Change(Generic[T]):
    """What became of one object: new without `before`, gone without `now`."""

    uid: str
    before: T | None
    now: T | None


class Mirror(Generic[T]):
    """Objects by UID, each as what `read` makes of it; what `read` gives None for is left out.

    A UID is never used twice, so an object that was deleted and made anew is two objects here.
    """

    def __init__(self, read: Callable[[Object], T | None]) -> None:
        self._read = read
        self._versions: dict[str, str] = {}
        self.objects: dict[str, T] = {}
        self.version = ""
        """The resourceVersion to watch from; empty: list first."""

    def listed(self, items: Iterable[Object], version: str) -> list[Change[T]]:
        """Take a whole list in. What it does not hold is gone; a list that says nothing new changes nothing."""
        found = {_uid(each): each for each in items}
        changes = [self._drop(uid) for uid in [*self.objects] if uid not in found]
        changes += [self._put(uid, each) for uid, each in found.items()]
        self._versions = {uid: known for uid, known in self._versions.items() if uid in found}
        self.version = version
        return [each for each in changes if each.before != each.now]

    def took(self, event: Mapping[str, Any]) -> list[Change[T]]:
        """Take one event of a watch in; a repeated or overtaken one changes nothing.

        Raises:
            Expired: list again, what is known stays until then.  Unavailable: watch again from `version`.
        """
        kind, thing = str(event.get("type", "")), event.get("object")
        if not isinstance(thing, Mapping):
            raise Unavailable("an event of the API server holds no object")
        if kind == "ERROR":
            raise error_of(int(thing.get("code") or 500), dict(thing), "watch")
        version = str(thing.get("metadata", {}).get("resourceVersion", ""))
        change: Change[T] | None = None
        if kind == "DELETED":
            change = self._drop(_uid(thing))
        elif kind in _PUT and not _older(version, self._versions.get(_uid(thing), "")):
            change = self._put(_uid(thing), thing)
        self.version = version or self.version
        return [change] if change is not None and change.before != change.now else []

    def _put(self, uid: str, thing: Object) -> Change[T]:
        before, now = self.objects.get(uid), self._read(thing)
        self._versions[uid] = str(thing.get("metadata", {}).get("resourceVersion", ""))
        if now is None:
            self.objects.pop(uid, None)
        else:
            self.objects[uid] = now
        return Change(uid, before, now)

    def _drop(self, uid: str) -> Change[T]:
        self._versions.pop(uid, None)
        return Change(uid, self.objects.pop(uid, None), None)


def _uid(thing: Object) -> str:
    return str(thing.get("metadata", {}).get("uid", ""))


def _older(version: str, known: str) -> bool:
    # They are numbers that grow, by the API's conventions since Kubernetes 1.35; any other text is not compared.
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)

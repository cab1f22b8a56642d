"""What a save writes: which layers stay, and what the new one starts from. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hubernate_core.checkpoint import Entry, Layer, layers_to_merge

from .capture.index import FILE, Node, OwnLayer

_LARGEST = 20


class Plan(NamedTuple):
    """The new layer holds what changed after scan `since`; `kept` parent layers and `own` ones stay below it."""

    since: int
    kept: int
    own: tuple[OwnLayer, ...]


def make_plan(
    parents: Sequence[Layer], kept: int, own: Sequence[OwnLayer], saved: int, new: int, at_least: int = 0
) -> Plan:
    """Stack a new layer, or write some of the topmost anew together with it.

    Args:
        parents: our layers in the container's image, of which the first `kept` are still in use.
        own: layers saved from this container; `saved` is the scan they reach to.
        new: bytes about to be added, an estimate; 0 leaves everything as it is.
        at_least: topmost layers that cannot be used again (the registry lost one).
    """
    sizes = [layer.size for layer in parents[:kept]] + [each.layer.size for each in own]
    count = max(at_least, layers_to_merge(sizes, new) if new else 0)
    if count == 0:
        return Plan(saved, kept, tuple(own))
    if count < len(own):
        return Plan(own[len(own) - count].since, kept, tuple(own[: len(own) - count]))
    return Plan(0, kept - (count - len(own)), ())


def largest(nodes: Mapping[str, Node]) -> tuple[Entry, ...]:
    """The folders and files that weigh most: the heaviest folder is opened until twenty are listed."""
    weights: dict[str, int] = {}
    children: dict[str, list[str]] = {}
    for path, node in nodes.items():
        above, _, _ = path.rpartition("/")
        children.setdefault(above, []).append(path)
        if node.kind == FILE and node.size:
            at = path
            while at:
                weights[at] = weights.get(at, 0) + node.size
                at = at.rpartition("/")[0]
    shown = {path: weights[path] for path in children.get("", ()) if path in weights}
    total = sum(shown.values())
    while len(shown) < _LARGEST:
        open_next = max((path for path in shown if path in children), key=lambda path: shown[path], default=None)
        if open_next is None or shown[open_next] * _LARGEST < total:
            break
        del shown[open_next]
        shown.update({path: weights[path] for path in children[open_next] if path in weights})
    top = sorted(shown.items(), key=lambda item: (-item[1], item[0]))[:_LARGEST]
    return tuple(Entry(path=("/" + path)[:500].encode(errors="replace").decode(), size=size) for path, size in top)

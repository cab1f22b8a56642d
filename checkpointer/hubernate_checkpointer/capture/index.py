"""What the upper directory held at each save: pure values that say which paths a new layer must hold.

Every scan of the upper directory has a number, `Index.seq`. A node carries the number of the scan that last saw it
change, so "the change since scan s" is every node with a larger number, plus a whiteout for every path that was there
and is gone. The new layer reproduces the state over the *layers already saved*, not only over the base; that is why
removed paths are remembered and why a directory's opaqueness has a number of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hubernate_core.checkpoint import Layer

FILE, DIRECTORY, SYMLINK, FIFO, WHITEOUT, DROPPED, UNNAMEABLE = "f", "d", "l", "p", "w", "x", "u"
"""Kinds of node. DROPPED: a socket or device; it is not kept but hides what is below, like a whiteout. UNNAMEABLE: its
name starts with ``.wh.``, which in a layer means something else; it is not kept."""
HIDES = frozenset({WHITEOUT, DROPPED})
_UNSEEN = HIDES | {UNNAMEABLE}


class Node(NamedTuple):
    """One path of an overlay directory. Times are nanoseconds; `ctime_ns` 0 means "may still change unseen"."""

    kind: str
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    linked: bool
    opaque: int
    """Scan that first saw this directory opaque; 0 when it is not."""
    seq: int
    """Scan that last saw a change."""
    born: int
    """Scan since which a reader sees something of the upper directory here; 0 while it hides or is not kept."""

    @property
    def visible(self) -> bool:
        """Whether a layer holds it, as opposed to hiding what is below or leaving it out."""
        return self.kind not in _UNSEEN


class OwnLayer(NamedTuple):
    """A saved layer made from this container. `since`: it holds what changed after that scan."""

    layer: Layer
    since: int


@dataclass(frozen=True, slots=True)
class Index:
    """All paths of an upper directory after scan `seq`, and what is saved of them.

    `layers` are the layers made from this container, oldest first, above the first `kept` of the parent image's own
    layers; `saved` is the scan up to which they reach.
    """

    seq: int = 0
    nodes: Mapping[str, Node] = field(default_factory=dict)
    past: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """Spans of scans (first that saw it, first that did not) of paths that were visible and vanished."""
    consistent: bool = True
    """False when a directory lost its opaqueness, which no layer can express: save everything anew."""

    @property
    def size(self) -> int:
        """Bytes of all files, as a reader sees them."""
        return sum(node.size for node in self.nodes.values())


class Change(NamedTuple):
    """One thing a layer must hold: a node from directory number `root`, or (None) a whiteout."""

    path: str
    node: Node | None
    opaque: bool = False
    root: int = 0


def without_stale(index: Index, layers: Iterable[OwnLayer]) -> Index:
    """`index` without the spans that no later layer can ask about: it starts where one of `layers` did, or at the
    newest scan, by which all these paths were gone. Or every temporary file of a notebook's life would be kept."""
    asked = {layer.since for layer in layers}
    kept = {
        path: tuple(span for span in spans if any(span[0] <= since < span[1] for since in asked))
        for path, spans in index.past.items()
    }
    return replace(index, past={path: spans for path, spans in kept.items() if spans})


def order_key(path: str) -> str:
    """Sorts a directory right before everything in it and nothing else in between."""
    return path.replace("/", "\0")


def parents(path: str) -> Iterator[str]:
    """The directories above `path`, nearest first, the root left out."""
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        yield path


def changes(index: Index, since: int, below: Callable[[str], bool]) -> list[Change]:
    """What a layer above the state of scan `since` must hold, in tar order.

    Args:
        since: 0 for a layer above the container's image.
        below: whether the image shows a path.

    A whiteout is written only where it hides something: overlayfs lists the name of an idle one as a ghost. A path
    whose inode has other names comes with all of them: a hard link cannot reach into another layer. Every
    directory above a change is there too: an engine that unpacks the layer would otherwise invent it with mode 0600.
    """
    nodes = index.nodes
    chosen = {path for path, node in nodes.items() if node.seq > since and node.kind != DROPPED}
    inodes = {nodes[path].ino for path in chosen if nodes[path].linked}
    if inodes:
        chosen.update(path for path, node in nodes.items() if node.linked and node.ino in inodes)
    hidden = {path for path, node in nodes.items() if node.kind == DROPPED and node.seq > since and below(path)}
    hidden.update(path for path in index.past if _must_hide(path, index, since))
    for path in (*chosen, *hidden):
        for above in parents(path):
            if above in chosen:
                break
            chosen.add(above)
    result = [Change(path, None) for path in hidden]
    for path in chosen - hidden:
        node = nodes[path]
        result.append(Change(path, None if node.kind == WHITEOUT else node, opaque=node.opaque > since))
    result.sort(key=lambda change: order_key(change.path))
    return result


def _must_hide(path: str, index: Index, since: int) -> bool:
    """Whether `path` was there at scan `since`, is not now, and its folder does not hide it by itself."""
    now = index.nodes.get(path)
    if (now is not None and (now.visible or now.kind == WHITEOUT)) or not any(
        born <= since < died for born, died in index.past[path]
    ):
        return False
    above = next(parents(path), "")
    if above and (above not in index.nodes or index.nodes[above].kind != DIRECTORY):
        return False
    return not any(index.nodes[each].opaque > since for each in parents(path) if each in index.nodes)


def merge(stack: list[Mapping[str, Node]]) -> list[Change]:
    """One layer that equals the directories of `stack` (topmost first) on top of each other, in tar order.

    A directory over something else (a file or a whiteout) within the stack becomes opaque: what hid the layers below
    the stack is no longer there to do it.
    """
    found: dict[str, Change] = {}
    closed: dict[str, int] = {}
    for root, nodes in enumerate(stack):
        hidden: set[str] = set()
        for path in sorted(nodes, key=order_key):
            node = nodes[path]
            above = next(parents(path), "")
            if above in hidden or (above in found and (_is_end(found[above]) or closed.get(above, root) < root)):
                hidden.add(path)
                continue
            if path not in found:
                hides = node.kind in HIDES
                found[path] = Change(path, None if hides else node, root=root)
            if node.opaque or (node.kind != DIRECTORY and found[path].root != root):
                closed.setdefault(path, root)
    result = [
        change._replace(opaque=change.node is not None and change.node.kind == DIRECTORY and change.path in closed)
        for change in found.values()
        if change.node is not None or not any(above in closed for above in parents(change.path))
    ]
    result.sort(key=lambda change: order_key(change.path))
    return result


def _is_end(change: Change) -> bool:
    return change.node is None or change.node.kind != DIRECTORY

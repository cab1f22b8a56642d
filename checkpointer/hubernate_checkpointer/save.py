"""One save: from a container's changes to an image that was read back. Freezes shortly, removes nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from hubernate_core.checkpoint import Layer
from hubernate_core.errors import Broken, InvalidInput, NotFound
from hubernate_core.operation import Step
from hubernate_core.quantity import show_bytes
from hubernate_core.wire import Order, SavedImage

from .blocks import Blocks
from .capture.below import Below
from .capture.engine import Container
from .capture.index import Change, Index, OwnLayer, changes, merge, without_stale
from .capture.mapped import mapped_files, settle
from .capture.tree import opened, scan
from .image import Base, choose_platform, is_list
from .journal import Saved
from .layer import LayerWriter, Notes
from .plan import Plan, largest, make_plan
from .push import Push
from .reporter import Reporter
from .sample import is_noise
from .spool import write_plain
from .tools import Tools, registry_patience

_TICK_NS = 50_000_000
"""Longer than the kernel's clock tick: a file touched this shortly ago may change again within the same timestamp."""
_GUESSED_RATIO = 3
_ROUNDS = 3
_LONG_ROUND_S = 8.0


class Save:
    """One save of one container under one order.

    Raises (from `run`): any HubernateError, or OSError when this node's disk fails. Of it only blobs may be left.
    """

    def __init__(self, tools: Tools, order: Order, reporter: Reporter) -> None:
        self._tools = tools
        self._order = order
        self._reporter = reporter
        self._notes = Notes()
        self._frozen_s = 0.0
        self._doubt: tuple[int | None, frozenset[str]] = (None, frozenset())
        self._exit = ExitStack()

    def run(self, container: Container, *, only_changes: bool = False) -> SavedImage | None:
        """The image of the container's present state, pushed and read back; it is proposed to the journal.

        Args:
            only_changes: None instead of an image when nothing changed since the last recorded one (the order's).
        """
        with self._exit:
            with self.reaching(Step.QUIESCED):
                self._prepare(container)
            if container.running:
                self._copy_running(container)
            else:
                with self.reaching(Step.CAPTURED):
                    self._first_layer(container, still=True)
            return None if only_changes and self._is_recorded() else self._store()

    def _is_recorded(self) -> bool:
        """Whether an image is recorded that holds all of this. What this operation pushed was read back; what is to do
        instead of it may be of long ago, and is looked for (P1)."""
        known, still = self._known, self._order.unless_still
        layers = (*self._order.parent_layers[: known.kept], *(each.layer for each in known.layers))
        same = bool(known.digest) and still in ("", known.digest) and self._shown() == layers
        return same and (not still or self._push.has(still))

    @contextmanager
    def reaching(self, step: Step) -> Iterator[None]:
        """Report `step` once the block is done."""
        self._tools.on_step(f"before:{step}")
        yield
        self._reporter.step(step)
        self._tools.on_step(f"after:{step}")
        self._reporter.check()

    def _prepare(self, container: Container) -> None:
        """Look before touching anything: engine, storage, registry, base image, and what earlier saves left to build
        on."""
        order, tools = self._order, self._tools
        tools.engine.check_supported()
        self._base = self._fetch_base()
        # A change means nothing over another base: the container must stand on the order's, layer by layer.
        expected = (*self._base.diff_ids, *(layer.diff_id for layer in order.parent_layers))
        self._storage = tools.engine.storage(container.id, expected)
        self._container_id = container.id
        self._root = self._exit.enter_context(opened(self._storage.upper))
        self._below = self._exit.enter_context(Below(self._storage.lowers))
        self._known = self._recall(container)
        self._plan = Plan(self._known.index.seq, self._known.kept, self._known.layers)
        self._index, self._own = self._known.index, list(self._known.layers)
        self._push = Push(
            tools.registry,
            order.repository,
            (tools.journal.spool, f"{order.operation_id}"),
            lambda: registry_patience(tools, self._reporter),
            lambda count: self._reporter.progress(pushed_bytes=count),
            limit_s=tools.settings.push_limit_s,
        )
        self._exit.callback(self._push.close)

    def _fetch_base(self) -> Base:
        order, registry, patience = self._order, self._tools.registry, registry_patience(self._tools, self._reporter)
        where = order.base_repository
        try:
            manifest = patience.run(lambda: registry.manifest(where, order.base_digest))
            if is_list(manifest):
                digest = choose_platform(manifest, self._tools.engine.architecture)
                manifest = patience.run(lambda: registry.manifest(where, digest))
            config_digest = Base.config_digest(manifest)
            return Base(manifest, patience.run(lambda: registry.blob(where, config_digest)))
        except NotFound as problem:
            raise Broken(
                f"the registry has no longer the profile's image "
                f"({where}@{order.base_digest[:19]}…), so nothing can be saved "
                "on top of it; build the profile's images again"
            ) from problem

    def _recall(self, container: Container) -> Saved:
        """What is recorded of this container, if the registry still has every layer of it; otherwise a blank start."""
        order, registry, patience = self._order, self._tools.registry, registry_patience(self._tools, self._reporter)

        def there(layer: Layer) -> bool:
            return patience.run(lambda: registry.blob_size(order.repository, layer.digest)) == layer.size

        parents = order.parent_layers
        usable = next((at for at, layer in enumerate(parents) if not there(layer)), len(parents))
        blank = Saved(order.parent_digest, order.repository, Index(), (), usable, "")
        saved = self._tools.journal.saved(container.id)
        fits = (
            saved is not None
            and (saved.parent_digest, saved.repository) == (order.parent_digest, order.repository)
            and saved.kept <= usable
            and all(there(each.layer) for each in saved.layers)
        )
        return saved if fits and saved is not None else blank

    def _copy_running(self, container: Container) -> None:
        started = time.monotonic()
        # Also one that somebody paused: it may go on any time, and what it has mapped then changes without a trace.
        self._first_layer(container, still=False)
        for _ in range(_ROUNDS - 1):  # the longer a copy took, the more has changed meanwhile
            if time.monotonic() - started < _LONG_ROUND_S or container.paused:
                break
            started = time.monotonic()
            seq = self._index.seq
            self._scan(container, still=False)
            self._add(self._changes(seq), seq, still=False)
        self._tools.on_step("after:copied")
        self._reporter.check()
        self._last_layer(container)

    def _last_layer(self, container: Container) -> None:
        """What changed while we copied, taken while the container stands still."""
        path = self._tools.journal.spool / f"{self._order.operation_id}-frozen"
        self._exit.callback(path.unlink, missing_ok=True)
        self._tools.on_step("before:frozen")
        with self._tools.freezer.frozen(container.id) as freeze:
            self._reporter.step(Step.FROZEN)
            self._tools.on_step("after:frozen")
            self._reporter.check()
            seq = self._index.seq
            with self.reaching(Step.CAPTURED):
                self._scan(container, still=True)
                if not self._index.consistent:
                    raise Broken("a folder changed in a way no layer can hold while it was copied; save again")
                delta = self._changes(seq)
                if delta:
                    size = write_plain(path, lambda out: self._write(out, [self._root], delta, still=True))
            self._tools.on_step("before:thawed")
        self._frozen_s = freeze.seconds
        self._reporter.step(Step.THAWED)
        self._tools.on_step("after:thawed")
        if delta:
            with path.open("rb", buffering=0) as file:
                self._push_layer(lambda out: _copy(file.fileno(), size, out), seq)

    def _scan(self, container: Container, *, still: bool) -> None:
        settings, engine = self._tools.settings, self._tools.engine
        if not still:
            now_ns = time.time_ns() - _TICK_NS
            mapped = mapped_files(engine.pids(container.id), container.cgroup, engine.processes)
            if mapped is None:
                settle(self._root)
            self._doubt = (now_ns, mapped or frozenset())
        # A page dirtied before the freeze takes writes after the thaw without moving its file's times: what the last
        # scan of the running container doubts stays in doubt, so that the next save copies it again.
        settled_ns, unsettled = self._doubt
        self._index = scan(
            self._root, self._index, settled_ns=settled_ns, unsettled=unsettled, limit=settings.changed_files_limit
        )
        if self._index.size > self._order.max_bytes:
            raise InvalidInput(
                "change",
                f"{show_bytes(self._index.size)} changed, more than the "
                f"{show_bytes(self._order.max_bytes)} that may be saved; "
                "move large files to your home folder or delete them, then save again",
            )

    def _first_layer(self, container: Container, *, still: bool) -> None:
        """Everything that changed since the last recorded save, perhaps together with older layers of ours."""
        order = self._order
        before = self._index
        self._scan(container, still=still)
        parents, known = order.parent_layers, self._known
        new = self._changes(before.seq)
        lost = 0 if known.layers else len(parents) - known.kept
        if not self._index.consistent:
            self._plan = Plan(0, known.kept, ())
            self._index = replace(self._index, consistent=True)
        else:
            weight = sum(each.node.size for each in new if each.node) // _GUESSED_RATIO + 64 * len(new)
            self._plan = make_plan(parents, known.kept, known.layers, before.seq, weight)
        merged = len(parents) - self._plan.kept if self._plan.since == 0 else 0
        self._own = list(self._plan.own)
        if self._plan.since == 0:
            self._index = replace(self._index, past={})
        self._reporter.progress(
            changed_bytes=sum(each.node.size for each in new if each.node),
            changed_files=sum(1 for each in new if each.node),
        )
        if merged and (new or lost):
            self._merge_layers(merged, still=still)
        elif new:
            self._add(self._changes(self._plan.since), self._plan.since, still=still)

    def _merge_layers(self, count: int, *, still: bool) -> None:
        """Write the upper directory and the `count` topmost layers of the parent image as one."""
        lowers = self._storage.layers
        roots, stack = [self._root], [self._index.nodes]
        for path in lowers[:count]:
            roots.append(self._exit.enter_context(opened(path)))
            stack.append(scan(roots[-1], Index(), limit=self._tools.settings.changed_files_limit).nodes)
        with Below(lowers[count:]) as below:
            whole = [each for each in merge(stack) if each.node is not None or below.shows(each.path)]
        noise = is_noise(roots, whole)
        self._push_layer(lambda out: self._write(out, roots, whole, still=still), 0, plain=noise)

    def _changes(self, since: int) -> list[Change]:
        return changes(self._index, since, self._below.shows)

    def _add(self, what: Sequence[Change], since: int, *, still: bool) -> None:
        if what:
            noise = is_noise([self._root], what)
            self._push_layer(lambda out: self._write(out, [self._root], what, still=still), since, plain=noise)

    def _write(self, out: Blocks, roots: Sequence[int], what: Sequence[Change], *, still: bool) -> None:
        LayerWriter(roots, out, self._notes, still=still).write(what)

    def _push_layer(self, write: Callable[[Blocks], None], since: int, *, plain: bool = False) -> None:
        method = "plain" if plain else self._tools.settings.compression
        if method == "auto":
            method = self._tools.engine.compression
        layer = self._push.add(method, self._base.media_type(method), write)
        self._reporter.progress(push_total_bytes=self._push.total)
        below = self._shown()
        if below and below[-1].diff_id == layer.diff_id:
            return  # only what was in doubt was copied again, and it is as it was: applied twice, it changes nothing
        self._own.append(OwnLayer(layer, since))

    def _shown(self) -> tuple[Layer, ...]:
        """Our layers in the image of this save."""
        return (*self._order.parent_layers[: self._plan.kept], *(each.layer for each in self._own))

    def _store(self) -> SavedImage:
        """Config, manifest and tag; then everything is read back."""
        order, tools = self._order, self._tools
        layers = self._shown()
        with self.reaching(Step.PUSHED):
            tag = f"g{order.generation}-{order.operation_id}"
            manifest = self._push.finish(self._base, order.base_repository, layers, order.labels, tag)
        tools.on_step(f"before:{Step.VERIFIED}")
        self._push.verify(manifest, layers, self._base.config(layers, order.labels))
        index = without_stale(self._index, self._own)
        self._notes.add_all(index.nodes)
        saved = Saved(order.parent_digest, order.repository, index, tuple(self._own), self._plan.kept, manifest.digest)
        tools.journal.propose(self._container_id, saved)
        return SavedImage(
            digest=manifest.digest,
            layers=layers,
            size=sum(layer.size for layer in layers),
            changed_bytes=index.size,
            changed_files=len(index.nodes),
            largest=largest(index.nodes),
            notes=self._notes.sentences()[:50],
            frozen_s=self._frozen_s,
        )


def _copy(fd: int, size: int, out: Blocks) -> None:
    if out.read(fd, size) != size:
        raise Broken("the spool is shorter than what was written to it; this node's disk fails")

"""Everything one save sends to the registry: layers while they are written, then config, manifest and tag; and the
check."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from hubernate_core.checkpoint import Layer
from hubernate_core.errors import Broken, HubernateError, NotAllowed, NotFound

from .blocks import Blocks
from .channel import Channel, Redo
from .compress import compression
from .image import Base
from .patience import Full, Patience
from .registry import Manifest, Registry, digest_of
from .spool import Pipeline, Spool
from .upload import Lost, TooSlow, Upload, put_small, read_back

_AGAIN = 3
_UPLOADS = 2
_THREADS = min(4, os.cpu_count() or 1)


class Push:
    """The registry's side of one save.

    Args:
        folder: where layers are spooled; files are named after `name`.
        patience: makes what endures trouble of the registry; one for each thread.
        moved: called with the bytes sent so far, of all layers.
        limit_s: seconds after which an upload that still goes on is too slow.
    """

    def __init__(
        self,
        registry: Registry,
        repository: str,
        spool: tuple[Path, str],
        patience: Callable[[], Patience],
        moved: Callable[[int], None],
        *,
        limit_s: float,
    ) -> None:
        self._registry = registry
        self._repository = repository
        self._folder, self._name = spool
        self._patience = patience
        self._moved = moved
        self._deadline = time.monotonic() + limit_s
        self._pool = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")
        self._spools: list[Spool | Channel] = []
        self._sent: dict[int, int] = {}
        self._uploads: list[Future[None]] = []
        self.layers: list[Layer] = []

    def add(self, method: str, media_type: str, write: Callable[[Blocks], None]) -> Layer:
        """Write one layer through `write`; its upload goes on behind, as the spool grows.

        Raises:
            OSError: no room for the spool.
        """
        number = len(self._spools)
        spool = Channel() if method == "plain" else Spool(self._folder / f"{self._name}-{number}")
        self._spools.append(spool)
        pipeline = Pipeline(spool, compression(method), media_type, threads=_THREADS)
        self._uploads.append(self._pool.submit(self._send, spool, media_type, number))
        try:
            write(pipeline.blocks)
        except BaseException as problem:
            pipeline.abandon(problem)
            raise
        layer = pipeline.close()
        self.layers.append(layer)
        return layer

    @property
    def total(self) -> int:
        """Compressed bytes of all layers so far."""
        return sum(spool.size for spool in self._spools)

    def _send(self, spool: Spool | Channel, media_type: str, number: int) -> None:
        """Upload one layer and read it back, again when the registry lost it at once (F05)."""

        def moved(count: int) -> None:
            self._sent[number] = count
            self._moved(sum(self._sent.values()))

        upload = Upload(self._registry, self._repository, spool, moved, self._deadline)
        if isinstance(spool, Channel):
            self._send_once(upload, spool, media_type)
            return
        patience = self._patience()
        for attempt in range(_AGAIN):
            upload.run(patience, look=attempt == 0)
            try:
                patience.run(lambda: self._read_back(spool, media_type))
            except Lost:
                if attempt == _AGAIN - 1:
                    raise
                continue
            return

    def _send_once(self, upload: Upload, channel: Channel, media_type: str) -> None:
        """What is not spooled is sent once; whoever writes it is told when that fails."""
        try:
            upload.once()
            self._patience().run(lambda: self._read_back(channel, media_type))
        except (Full, TooSlow, NotAllowed) as problem:
            channel.fail(problem)
            raise
        except HubernateError as problem:
            channel.fail(Redo(problem))
            raise Redo(problem) from problem

    def _read_back(self, spool: Spool | Channel, media_type: str) -> None:
        layer = Layer(digest=spool.digest, diff_id=spool.digest, size=spool.size, media_type=media_type)
        read_back(self._registry, self._repository, layer)

    def finish(
        self, base: Base, base_repository: str, layers: Sequence[Layer], labels: dict[str, str], tag: str
    ) -> Manifest:
        """Wait for the layers, then make the base's blobs appear here and store config, manifest and tag.

        Raises:
            Unavailable, Full, NotAllowed, Lost, Broken: what the registry did, after patience.
        """
        for upload in self._uploads:
            upload.result()
        patience = self._patience()
        for each in base.layers:
            patience.run(lambda digest=each["digest"]: self._borrow(str(digest), base_repository))  # type: ignore[misc]
        config = base.config(layers, labels)
        manifest = base.manifest(layers, config)
        patience.run(lambda: put_small(self._registry, self._repository, config))
        patience.run(lambda: self._registry.put_manifest(self._repository, manifest.digest, manifest))
        patience.run(lambda: self._registry.put_manifest(self._repository, tag, manifest))
        return manifest

    def _borrow(self, digest: str, base_repository: str) -> None:
        if self._registry.blob_size(self._repository, digest) is not None:
            return
        if not self._registry.mount(self._repository, digest, base_repository):
            raise Broken(
                f"the registry has no longer layer {digest} of the profile's image "
                f"({base_repository}), so nothing can be "
                "saved on top of it; build the profile's images again"
            )

    def verify(self, manifest: Manifest, layers: Sequence[Layer], config: bytes) -> None:
        """Read manifest and config back, and see that every layer is there. New layers were read back when they were
        sent.

        Raises:
            Lost: something is missing or different.
        """
        patience = self._patience()
        try:
            found = patience.run(lambda: self._registry.manifest(self._repository, manifest.digest))
        except NotFound as problem:
            raise Lost("the registry took the image's manifest and does not have it") from problem
        if found.body != manifest.body:
            raise Lost("the registry returns another manifest than was stored")
        if patience.run(lambda: self._registry.blob(self._repository, digest_of(config))) != config:
            raise Lost("the registry returns another config than was stored")
        for layer in layers:
            size = patience.run(lambda digest=layer.digest: self._registry.blob_size(self._repository, digest))  # type: ignore[misc]
            if size != layer.size:
                raise Lost(f"the registry lost layer {layer.digest}")

    def has(self, digest: str) -> bool:
        """Whether the registry has the manifest and the config of an image that was stored long ago."""
        patience = self._patience()
        try:
            manifest = patience.run(lambda: self._registry.manifest(self._repository, digest))
            patience.run(lambda: self._registry.blob(self._repository, Base.config_digest(manifest)))
        except NotFound:
            return False
        return True

    def close(self) -> None:
        """Stop what still runs and delete the spooled layers."""
        gone = Broken("the save ended")  # nothing to be patient about: an upload in progress gives up at once
        for spool in self._spools:
            if not spool.digest:
                spool.fail(gone)
        self._deadline = 0
        self._pool.shutdown(wait=True, cancel_futures=True)
        for spool in self._spools:
            spool.close()

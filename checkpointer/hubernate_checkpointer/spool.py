"""A layer on its way to the registry: compressed into a file that an upload follows while it grows.

Producer → blocks → compressed by a few threads → hashed and written in order by one. Memory is a fixed number of
blocks.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Condition, Thread

from hubernate_core.checkpoint import Layer

from .blocks import Blocks, Buffers
from .channel import Channel
from .compress import Compression, crc32

_BUFFERS = 8
_READ_SIZE = 1024 * 1024


class Spool:
    """A file that one thread writes and others read from the start, waiting where it does not reach yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._grown = Condition()
        self.size = 0
        self.digest = ""
        self._failed: BaseException | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        with self._grown:
            self.size += len(data)
            self._grown.notify_all()

    def finish(self, digest: str) -> None:
        """Nothing more comes; the whole has `digest`."""
        with self._grown:
            self.digest = digest
            self._grown.notify_all()

    def fail(self, problem: BaseException) -> None:
        """Nothing more comes because of `problem`; readers raise it."""
        with self._grown:
            self._failed = problem
            self._grown.notify_all()

    def wait(self) -> str:
        """The digest, once the spool is whole. Raises what stopped the writer."""
        with self._grown:
            self._grown.wait_for(lambda: bool(self.digest) or self._failed is not None)
            if self._failed is not None:
                raise self._failed
            return self.digest

    def follow(self, at: int = 0) -> Iterator[bytes]:
        """Content from byte `at` to the end, as it comes. Raises what stopped the writer."""
        while True:
            with self._grown:
                self._grown.wait_for(lambda at=at: self.size > at or bool(self.digest) or self._failed is not None)  # type: ignore[misc]
                if self._failed is not None:
                    raise self._failed
                whole = bool(self.digest) and at >= self.size
            if whole:
                return
            data = os.pread(self._file, _READ_SIZE, at)
            at += len(data)
            yield data

    def close(self) -> None:
        """Delete it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self.path.unlink(missing_ok=True)


class Pipeline:
    """Turns a tar into a spooled blob. Write into `blocks`, then `close`; `layer` says what came out."""

    def __init__(self, spool: Spool | Channel, method: Compression, media_type: str, *, threads: int) -> None:
        self._spool = spool
        self._method = method
        self._media_type = media_type
        self._buffers = Buffers(_BUFFERS)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="compress")
        self._queue: Queue[tuple[bytearray, int, Future[bytes | memoryview]] | None] = Queue()
        self._finisher = Thread(target=self._finish, name="spool", daemon=True)
        self._layer: Layer | None = None
        self._problem: BaseException | None = None
        self.blocks = Blocks(self._buffers, self._put)
        self._finisher.start()

    def close(self) -> Layer:
        """Finish; the layer. Raises OSError when the spool could not be written (the disk is full)."""
        self.blocks.close()
        self._stop()
        if self._problem is not None or self._layer is None:
            raise self._problem or RuntimeError("the layer was not finished")
        return self._layer

    def abandon(self, problem: BaseException) -> None:
        """Stop because the producer met `problem`; whoever follows the spool raises it."""
        self._problem = self._problem or problem
        self._stop()

    def _stop(self) -> None:
        self._queue.put(None)
        self._finisher.join()
        self._pool.shutdown()

    def _put(self, buffer: bytearray, length: int) -> None:
        if self._problem is not None:
            self._buffers.give(buffer)
            raise self._problem
        self._queue.put((buffer, length, self._pool.submit(self._compress, buffer, length)))

    def _compress(self, buffer: bytearray, length: int) -> bytes | memoryview:
        return self._method.block(memoryview(buffer)[:length])

    def _finish(self) -> None:
        diff, crc, size = hashlib.sha256(), 0, 0
        plain = self._method.name == "plain"
        blob = diff if plain else hashlib.sha256()

        def out(data: bytes | memoryview) -> None:
            if not plain:
                blob.update(data)
            self._spool.write(data)

        try:
            out(self._method.start())
            while (item := self._queue.get()) is not None:
                buffer, length, compressed = item
                content = memoryview(buffer)[:length]
                diff.update(content)
                crc = 0 if plain else crc32(content, crc)
                size += length
                out(compressed.result())
                self._buffers.give(buffer)
            if self._problem is not None:
                raise self._problem
            out(self._method.end(crc, size))
        except BaseException as problem:  # noqa: BLE001 - handed to the producer and to whoever follows the spool
            self._fail(problem)
            return
        digest = f"sha256:{blob.hexdigest()}"
        self._layer = Layer(
            digest=digest, diff_id=f"sha256:{diff.hexdigest()}", size=self._spool.size, media_type=self._media_type
        )
        self._spool.finish(digest)

    def _fail(self, problem: BaseException) -> None:
        self._problem = self._problem or problem
        self._spool.fail(self._problem)
        pending: deque[bytearray] = deque()
        while not self._queue.empty():
            item = self._queue.get()
            if item is not None:
                pending.append(item[0])
        for buffer in pending:
            self._buffers.give(buffer)


def write_plain(path: Path, write: Callable[[Blocks], None]) -> int:
    """Write a stream to the file at `path` as it is, for the moment in which the container stands still. Its size.

    Raises:
        OSError: the disk is full or failed; the file is deleted.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    buffers = Buffers(2)

    def put(buffer: bytearray, length: int) -> None:
        view = memoryview(buffer)[:length]
        while view:
            view = view[os.write(fd, view) :]
        buffers.give(buffer)

    try:
        blocks = Blocks(buffers, put)
        write(blocks)
        blocks.close()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    return blocks.total

"""A byte stream cut into fixed blocks, with the buffers used again: reading a file costs one copy and no garbage."""

import os
from collections.abc import Callable
from queue import SimpleQueue

BLOCK_SIZE = 2 * 1024 * 1024
_SPARSE_FROM = 1024 * 1024
_ZEROS = bytes(BLOCK_SIZE)


class Buffers:
    """At most `count` buffers of BLOCK_SIZE: taking one waits until another is given back, which bounds memory."""

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[bytearray | None] = SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    def take(self) -> bytearray:
        """A buffer with undefined content."""
        return self._free.get() or bytearray(BLOCK_SIZE)

    def give(self, buffer: bytearray) -> None:
        """Hand a buffer back."""
        self._free.put(buffer)


class Blocks:
    """Collects writes and calls `put(buffer, length)` for each full block; `put` owns the buffer from then on."""

    def __init__(self, buffers: Buffers, put: Callable[[bytearray, int], None]) -> None:
        self._buffers = buffers
        self._put = put
        self._buffer = buffers.take()
        self._view = memoryview(self._buffer)
        self._at = 0
        self.total = 0

    def write(self, data: bytes) -> None:
        """Append `data`."""
        size = len(data)
        if self._at + size < BLOCK_SIZE:
            self._view[self._at : self._at + size] = data
            self._at += size
            self.total += size
            return
        source = memoryview(data)
        while source:
            part = source[: BLOCK_SIZE - self._at]
            self._view[self._at : self._at + len(part)] = part
            self._advance(len(part))
            source = source[len(part) :]

    def zeros(self, count: int) -> None:
        """Append `count` zero bytes."""
        while count > 0:
            part = min(count, BLOCK_SIZE - self._at)
            self._view[self._at : self._at + part] = _ZEROS[:part]
            self._advance(part)
            count -= part

    def read(self, fd: int, size: int) -> int:
        """Append up to `size` bytes from `fd`'s position; fewer only at its end. Returns how many."""
        left = size
        while left:
            got = os.readv(fd, [self._view[self._at : self._at + min(left, BLOCK_SIZE - self._at)]])
            if got == 0:
                break
            self._advance(got)
            left -= got
        return size - left

    def read_sparse(self, fd: int, size: int) -> int:
        """As `read`, but holes are written as zeros without reading them. Returns how many bytes were appended."""
        at = 0
        while at < size:
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole up to the end
                data = size
            data = min(data, size)
            self.zeros(data - at)
            if data == size:
                return size
            end = min(os.lseek(fd, data, os.SEEK_HOLE), size)
            os.lseek(fd, data, os.SEEK_SET)
            got = self.read(fd, end - data)
            at = data + got
            if got < end - data:
                return at
        return at

    def read_file(self, fd: int, state: os.stat_result) -> int:
        """Append the content of a file of `state.st_size` bytes. Returns how many bytes it really had, at most that."""
        if state.st_size > _SPARSE_FROM and state.st_blocks * 512 < state.st_size:
            return self.read_sparse(fd, state.st_size)
        return self.read(fd, state.st_size)

    def close(self) -> None:
        """Hand on what is left."""
        if self._at:
            self._put(self._buffer, self._at)
        else:
            self._buffers.give(self._buffer)
        self._at = -1

    def _advance(self, count: int) -> None:
        self._at += count
        self.total += count
        if self._at == BLOCK_SIZE:
            self._put(self._buffer, self._at)
            self._buffer = self._buffers.take()
            self._view = memoryview(self._buffer)
            self._at = 0

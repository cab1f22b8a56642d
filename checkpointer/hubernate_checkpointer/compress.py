"""Compressing a layer block by block, so that several cores can share the work and incompressible data passes quickly.

gzip: every block is a raw deflate run that ends on a byte boundary, all of them one member (the way pigz does it;
RFC 1951 §3.2.4 for stored blocks, RFC 1952 for the frame). zstd: every block is a frame of its own (RFC 8878 §3.1).
Docker before 23 reads gzip only.
"""

from typing import Protocol

import zstandard
from isal import isal_zlib

_STORED_MAX = 65535
_SAMPLE = 32 * 1024
_WORTH = 0.95


class Compression(Protocol):
    """One way to compress a layer. `block` may be called from several threads at once."""

    name: str

    def start(self) -> bytes:
        """What comes first."""
        ...

    def block(self, data: memoryview) -> bytes | memoryview:
        """One block, compressed by itself."""
        ...

    def end(self, crc: int, size: int) -> bytes:
        """What comes last, for content of `size` bytes with CRC-32 `crc`."""
        ...


class Gzip:
    """Deflate by ISA-L at its level 1: about six times zlib's speed at a better ratio than zlib's level 1."""

    name = "gzip"

    def start(self) -> bytes:
        """The header: no name, no time, so that equal content gives equal bytes."""
        return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

    def block(self, data: memoryview) -> bytes:
        """`data` deflated, or stored where a sample of it does not shrink."""
        if not any(shrinks(data[at : at + _SAMPLE]) for at in (0, len(data) // 2, max(0, len(data) - _SAMPLE))):
            return _stored(data)
        deflate = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        return bytes(deflate.compress(data) + deflate.flush(isal_zlib.Z_FULL_FLUSH))

    def end(self, crc: int, size: int) -> bytes:
        """An empty last block, the checksum and the size modulo 2**32."""
        return b"\x03\x00" + crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


class Plain:
    """No compression at all, for a layer of noise: blob and tar are the same bytes."""

    name = "plain"

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def block(self, data: memoryview) -> bytes | memoryview:
        """`data` itself."""
        return data

    def end(self, crc: int, size: int) -> bytes:
        """Nothing."""
        return b""


class Zstd:
    """zstd at level 1."""

    name = "zstd"

    def start(self) -> bytes:
        """Nothing: frames follow each other."""
        return b""

    def block(self, data: memoryview) -> bytes:
        """`data` as one frame."""
        return zstandard.ZstdCompressor(level=1).compress(data)

    def end(self, crc: int, size: int) -> bytes:
        """An empty frame when there was no content at all, so that the blob is valid."""
        return b"" if size else zstandard.ZstdCompressor(level=1).compress(b"")


def shrinks(sample: memoryview) -> bool:
    """Whether a little of a block compresses well enough to be worth it; the benefit of the doubt for very little."""
    return len(sample) < 512 or len(isal_zlib.compress(sample, 1, -15)) < _WORTH * len(sample)


def _stored(data: memoryview) -> bytes:
    """`data` in stored deflate blocks, none of them the last."""
    parts: list[bytes | memoryview] = []
    for at in range(0, len(data), _STORED_MAX):
        part = data[at : at + _STORED_MAX]
        parts.append(b"\x00" + len(part).to_bytes(2, "little") + (len(part) ^ 0xFFFF).to_bytes(2, "little"))
        parts.append(part)
    return b"".join(parts)


def crc32(data: memoryview, value: int) -> int:
    """CRC-32 carried on over `data`."""
    return int(isal_zlib.crc32(data, value))


def compression(name: str) -> Compression:
    """The compression called ``gzip``, ``zstd`` or ``plain``."""
    methods: dict[str, type[Compression]] = {"gzip": Gzip, "zstd": Zstd, "plain": Plain}
    return methods[name]()

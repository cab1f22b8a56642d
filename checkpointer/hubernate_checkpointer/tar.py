"""Tar headers, built fast: ustar where it fits, pax records where it does not.

Sources: POSIX.1-2017 pax, "pax Interchange Format"; SCHILY.xattr.* from star, which every OCI unpacker reads.
"""

from collections.abc import Mapping

BLOCK = 512
FILE, LINK, SYMLINK, DIRECTORY, FIFO = b"0", b"1", b"2", b"5", b"6"
_ID_MAX = 0o7777777
_SIZE_MAX = 0o77777777777
_NAME_MAX = 100
_TAIL = b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00" + bytes(155 + 12)


def padding(size: int) -> int:
    """Bytes from the end of `size` bytes of content to the next block."""
    return -size % BLOCK


def _ustar(  # noqa: PLR0913 - a header has this many fields
    name: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, kind: bytes, link: bytes
) -> bytes:
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, mtime)
    tail = kind + link.ljust(100, b"\0") + _TAIL
    # The checksum counts its own field as eight spaces.
    total = sum(head) + sum(tail) + 8 * 32
    return b"%b%06o\0 %b" % (head, total, tail)


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH key=value\\n``; the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def header(  # noqa: PLR0913 - a header has this many fields
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime_ns: int = 0,
    link: bytes = b"",
    xattrs: Mapping[str, bytes] | None = None,
) -> bytes:
    """The header blocks of one entry.

    Args:
        name: path inside the layer, without a leading slash; directories end with one.
        mtime_ns: kept to the nanosecond by a pax record, because git and make compare it.
        xattrs: extended attributes by name.
    """
    seconds, fraction = divmod(mtime_ns, 1_000_000_000)
    records = []
    if len(name) > _NAME_MAX:
        records.append(_record(b"path", name))
    if len(link) > _NAME_MAX:
        records.append(_record(b"linkpath", link))
    if size > _SIZE_MAX:
        records.append(_record(b"size", b"%d" % size))
    if uid > _ID_MAX:
        records.append(_record(b"uid", b"%d" % uid))
    if gid > _ID_MAX:
        records.append(_record(b"gid", b"%d" % gid))
    if fraction or not 0 <= seconds <= _SIZE_MAX:
        records.append(_record(b"mtime", b"%b%d.%09d" % _split(mtime_ns)))
    for key, value in sorted((xattrs or {}).items()):
        records.append(_record(b"SCHILY.xattr." + key.encode("utf-8", "surrogateescape"), value))
    main = _ustar(
        name[:_NAME_MAX],
        mode,
        min(uid, _ID_MAX),
        min(gid, _ID_MAX),
        size if size <= _SIZE_MAX else 0,
        min(max(seconds, 0), _SIZE_MAX),
        kind,
        link[:_NAME_MAX],
    )
    if not records:
        return main
    body = b"".join(records)
    return _ustar(b"PaxHeaders/entry", 0o644, 0, 0, len(body), 0, b"x", b"") + body + bytes(padding(len(body))) + main


def _split(mtime_ns: int) -> tuple[bytes, int, int]:
    """Sign, whole seconds and nanoseconds, as pax writes times before 1970 too."""
    seconds, fraction = divmod(abs(mtime_ns), 1_000_000_000)
    return b"-" if mtime_ns < 0 else b"", seconds, fraction


END = bytes(2 * BLOCK)

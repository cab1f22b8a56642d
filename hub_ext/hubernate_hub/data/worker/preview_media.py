"""A folder of images, sound or films: what is known of each file, and small pictures of those that are cheap to decode.

Bounded thrice: so many files, so many bytes and pixels of each, and a time after which the rest stays without.
"""

import base64
import io
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

from hubernate_core.source_path import split_path
from hubernate_core.source_view import Column, Entry, Sample, Schema

from .faults import Fault
from .tree import Tree

_KINDS = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
    "audio": (".mp3", ".wav", ".flac", ".ogg", ".m4a"),
    "video": (".mp4", ".mov", ".mkv", ".avi", ".webm", ".mpg"),
}
_DECODERS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
_HEAD, _WHOLE = 64 * 1024, 2 * 1024**2
"""Bytes in which a header is looked for, and up to which a file is fetched whole for its thumbnail."""
_PIXELS_MAX = 12_000_000
Image.MAX_IMAGE_PIXELS = None  # it would hide a large image's size; what is decoded is bounded here
_SIDE, _THUMBNAILS, _PARALLEL, _SECONDS = 96, 24, 4, 8.0
_COLUMNS = (("url", "string"), ("name", "string"), ("type", "string"), ("size", "int64"), ("width", "int32"),
            ("height", "int32"))  # fmt: skip


@dataclass(frozen=True)
class _Seen:
    width: int | None = None
    height: int | None = None
    thumbnail: str = ""


def media_kind(entry: Entry) -> str:
    """``image``, ``audio`` or ``video`` by the name's ending; else empty."""
    name = entry.path.lower()
    return next((kind for kind, endings in _KINDS.items() if name.endswith(endings)), "")


def read_media(tree: Tree, entries: list[Entry], source: str, rows: int) -> tuple[Schema, Sample]:
    """One row for each of the first `rows` files, with their width and height where their header says so.

    Args:
        entries: files of one folder. source: its name, for the URLs.
    """
    shown, until = entries[:rows], time.monotonic() + _SECONDS
    with ThreadPoolExecutor(_PARALLEL) as threads:
        found = list(threads.map(lambda at: _see(tree, shown[at], at < _THUMBNAILS, until), range(len(shown))))
    facts = tuple(
        (f"hub://{source}/{each.path}", split_path(each.path)[-1], media_kind(each), each.size, seen.width, seen.height)
        for each, seen in zip(shown, found, strict=True)
    )
    note = f"the first {len(shown)} of {len(entries)} files that were listed" if len(entries) > len(shown) else ""
    sample = Sample(
        columns=tuple(name for name, _ in _COLUMNS),
        rows=facts,
        format="media",
        note=note,
        thumbnails={fact[0]: seen.thumbnail for fact, seen in zip(facts, found, strict=True) if seen.thumbnail},
    )
    return Schema(columns=tuple(Column(name=name, type=kind) for name, kind in _COLUMNS), format="media"), sample


def _see(tree: Tree, entry: Entry, thumbnail: bool, until: float) -> _Seen:
    """What the file's bytes say of it; nothing, where they are no image or cannot be had: its row stays."""
    if media_kind(entry) != "image" or not entry.size or time.monotonic() > until:
        return _Seen()
    whole = thumbnail and entry.size <= _WHOLE
    try:
        piece = tree.read(split_path(entry.path), 0, entry.size if whole else min(entry.size, _HEAD), entry.etag)
        return _look(b"".join(piece.chunks), whole)
    except (Fault, UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError):
        return _Seen()


def _look(content: bytes, whole: bool) -> _Seen:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image: Any = Image.open(io.BytesIO(content), formats=_DECODERS)
        width, height = image.size
        seen = _Seen(width, height)
        if not whole:
            return seen
        if image.format == "JPEG":
            image.draft("RGB", (_SIDE, _SIDE))  # decoded at an eighth of its size
        if image.size[0] * image.size[1] > _PIXELS_MAX:
            return seen
        try:
            image.thumbnail((_SIDE, _SIDE))
            image.convert("RGB").save(out := io.BytesIO(), "JPEG", quality=70)
        except (OSError, ValueError, SyntaxError, EOFError):
            return seen  # cut short, or broken behind its header
    return _Seen(width, height, "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode())

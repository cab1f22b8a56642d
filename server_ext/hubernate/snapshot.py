"""The files that go with a job: chosen below one folder, packed as they are now."""

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import IO, Any

from hubernate_core.errors import InvalidInput

BYTES_MAX = 256 * 1024**2
"""As much as the platform takes by default."""
_FILES_MAX = 10_000
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


def choose(folder: Path, main: str | None, more: Iterable[str] | None) -> list[str]:
    """Paths below `folder` that go along with `main`, sorted.

    Args:
        main: None: it is no file.
        more: files, folders and patterns such as ``data/*.csv``; None: the Python modules below `folder`.

    Raises:
        InvalidInput: something is not there, lies outside of `folder`, or it is too much.
    """
    root = folder.resolve()
    chosen = set() if main is None else {_inside(root, root / main, main)}
    if more is None:
        chosen |= {_inside(root, path, str(path)) for path in _walk(root) if path.suffix == ".py"}
    for each in more or ():
        found = [root / each] if (root / each).exists() else _matching(root, each)
        if not found:
            raise InvalidInput("files", f"{each!r} is not there (looked in {root}); nothing was sent")
        for path in found:
            some = _walk(path) if path.is_dir() else [path]
            chosen |= {_inside(root, inner, each) for inner in some}
    _check_size(root, chosen)
    return sorted(chosen)


def _matching(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern.lstrip("/")))
    except ValueError as problem:
        raise InvalidInput("files", f"{pattern!r} is no pattern: {problem}; nothing was sent") from problem


def _check_size(root: Path, chosen: set[str]) -> None:
    sizes = {path: (root / path).stat().st_size for path in chosen}
    if len(sizes) > _FILES_MAX or sum(sizes.values()) > BYTES_MAX:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        told = ", ".join(f"{path} ({shown(sizes[path])})" for path in largest)
        raise InvalidInput(
            "files",
            f"{len(sizes)} files, {shown(sum(sizes.values()))}: over {_FILES_MAX} files or"
            f" {shown(BYTES_MAX)}. Largest: {told}. Send less; a job can read your home folder itself",
        )


def shown(size: int) -> str:
    """A size for people."""
    return f"{size} B" if size < 1000 else f"{size / 1e6:.3g} MB"


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, hidden ones and other environments' left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = [
            each
            for each in folders
            if each not in _SKIPPED and not each.startswith(".") and not Path(place, each, "pyvenv.cfg").exists()
        ]
        yield from (Path(place, each) for each in files if not each.startswith(".") and Path(place, each).is_file())


def _inside(root: Path, path: Path, said: str) -> str:
    real = path.resolve()
    if not real.is_relative_to(root):
        raise InvalidInput("files", f"{said!r} is outside of {root}, from which the job's files are taken")
    if not real.is_file():
        raise InvalidInput("files", f"{said!r} is not a file in {root}; nothing was sent")
    return Path(os.path.normpath(path)).relative_to(root).as_posix()


def pack(
    folder: Path, chosen: Iterable[str], made: Mapping[str, bytes] = MappingProxyType({})
) -> tuple[IO[bytes], str]:
    """A tar of `chosen`, to be read from its beginning, and its sha256. Owners are not told.

    Args:
        made: files that lie in no folder, by path; they stand for those of `chosen` by the same one.
    """
    out: Any = TemporaryFile()  # noqa: SIM115  the caller's
    # The platform takes no pax headers, which long and foreign names would get otherwise.
    with tarfile.open(fileobj=out, mode="w", dereference=True, format=tarfile.GNU_FORMAT) as tar:
        for path in chosen:
            if path in made:
                continue
            tar.add(folder / path, arcname=path, recursive=False, filter=_anonymous)
        for path, content in made.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    out.seek(0)
    digest = hashlib.file_digest(out, "sha256").hexdigest()
    out.seek(0)
    return out, digest


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(entry.mtime)
    if entry.islnk():  # the second name of a file that is packed already: whole too
        entry.type, entry.linkname = tarfile.REGTYPE, ""
    return entry

"""``hub://SOURCE/path`` for everything that speaks fsspec: pandas, Arrow, DuckDB, Dask, scikit-learn's loaders.

Only the parts of a file that are asked for are fetched, and all of them from one version of it: a file that changes
while it is read is an error, never a mixture.
"""

import io
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from hubernate_core.errors import Conflict, HubernateError, InvalidInput, NotAllowed, NotFound

from .link import Link, link
from .window import Window

BLOCK = 8 * 1024**2
_PARALLEL = 8
_SPOOL = 32 * 1024**2


class HubFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """The sources of the team that this notebook runs for; ``hub://`` lists them."""

    protocol = "hub"
    root_marker = ""
    cachable = False  # instances hold nothing, and grants may change between two calls

    @property
    def _link(self) -> Link:
        return link()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = os.fspath(path)
        return text.removeprefix("hub://").removeprefix("hub::").strip("/")

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        """A folder's entries, or of ``hub://`` the sources."""
        source, inner = _split(self._strip_protocol(path))
        if not source:
            found = [_folder(each["name"]) for each in self._link.get("")["items"]]
        else:
            found = self._entries(source, inner)
        return found if detail else [each["name"] for each in found]

    def _entries(self, source: str, inner: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        with _as_os_errors(f"{source}/{inner}"):
            while True:
                page = self._link.get(f"/{source}/entries", path=inner, after=after)
                found += [_entry(source, each) for each in page["entries"]]
                after = page["next"]
                if not after:
                    break
            if not found and inner:
                about = _entry(source, self._link.get(f"/{source}/info", path=inner))
                return [about] if about["type"] == "file" else []
        return found

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name, type, size, ETag and time of what is at `path`."""
        source, inner = _split(self._strip_protocol(path))
        if not source:
            return _folder("")
        with _as_os_errors(path):
            return _entry(source, self._link.get(f"/{source}/info", path=inner))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """Bytes `start` to `end`, exclusive; negative ones count from the end."""
        source, inner = _split(self._strip_protocol(path))
        if start == end and start is not None:
            return b""
        if (end is not None and end < 0) or (start is not None and start < 0 and end is not None):
            size = self.info(path)["size"]
            start, end = (size + start if start and start < 0 else start), (size + end if end and end < 0 else end)
        headers = {"If-Match": f'"{options["etag"]}"'} if options.get("etag") else {}
        if start is not None and start < 0:
            headers["Range"] = f"bytes={start}"
        elif start or end is not None:
            headers["Range"] = f"bytes={start or 0}-{'' if end is None else end - 1}"
        with _as_os_errors(path):
            return self._link.read(f"/{source}/object", headers, path=inner)

    def cat_ranges(
        self, paths: list[str], starts: Any, ends: Any, max_gap: Any = None, on_error: str = "return", **options: Any
    ) -> list[Any]:
        """Many parts at once, several at a time."""
        starts = starts if isinstance(starts, Iterable) else [starts] * len(paths)
        ends = ends if isinstance(ends, Iterable) else [ends] * len(paths)
        return self._parallel(list(zip(paths, starts, ends, strict=True)), on_error)

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any) -> Any:
        """Whole files, several at a time."""
        paths = self.expand_path(path, recursive=recursive)
        if isinstance(path, list) or len(paths) > 1 or recursive or paths[0] != self._strip_protocol(path):
            found = self._parallel([(each, None, None) for each in paths], "return")
            pairs = zip(paths, found, strict=True)
            if on_error == "raise":
                for each in found:
                    if isinstance(each, Exception):
                        raise each
            return {name: each for name, each in pairs if on_error != "omit" or not isinstance(each, Exception)}
        return self.cat_file(paths[0], **options)

    def _parallel(self, parts: list[tuple[Any, ...]], on_error: str) -> list[Any]:
        def one(part: tuple[Any, ...]) -> Any:
            try:
                return self.cat_file(*part)
            except Exception as problem:
                if on_error == "return":
                    return problem
                raise

        with ThreadPoolExecutor(min(_PARALLEL, len(parts) or 1)) as threads:
            return list(threads.map(one, parts))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a whole file."""
        self._put(path, value, only_new=mode == "create")

    def put_file(self, lpath: Any, rpath: str, callback: Any = None, mode: str = "overwrite", **_: Any) -> None:
        """Upload a local file, streaming; a folder is made by what is put into it."""
        if os.path.isdir(lpath):  # noqa: PTH112
            return
        with open(lpath, "rb") as file:  # noqa: PTH123
            self._put(rpath, file, only_new=mode == "create")

    def _put(self, path: str, body: Any, *, only_new: bool) -> None:
        source, inner = _split(self._strip_protocol(path))
        headers = {"Content-Type": "application/octet-stream"} | ({"If-None-Match": "*"} if only_new else {})
        with _as_os_errors(path):
            self._link.put(f"/{source}/object", body, headers, path=inner)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Nothing: folders are there once something is in them."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing, as `mkdir`."""

    def created(self, path: str) -> datetime:
        """Not known; when it was last changed."""
        return self.modified(path)

    def modified(self, path: str) -> datetime:
        """When it was last changed."""
        return datetime.fromisoformat(self.info(path)["modified_at"])

    def ukey(self, path: str) -> str:
        """The version."""
        return str(self.info(path)["etag"])

    def open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> Any:
        """A file. Text is written as bytes are: with an error inside ``with`` nothing is sent."""
        if mode in ("w", "wt", "x", "xt"):
            words = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
            return _Text(self.open(path, f"{mode[0]}b", block_size, **options), **words)
        return super().open(path, mode, block_size, **options)

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> Any:
        if mode == "rb":
            options.pop("autocommit", None)
            return _Reading(self, path, block_size=block_size or BLOCK, **options)
        if mode in ("wb", "xb"):
            return _Writing(self, path, only_new=mode == "xb")
        raise ValueError(f"hub:// files are opened with 'rb', 'wb' or 'xb', not {mode!r}; there is no appending")


class _Reading(AbstractBufferedFile):  # type: ignore[misc]
    """A file that is read by ranges of one version."""

    def __init__(self, fs: HubFileSystem, path: str, cache_type: str = Window.name, **options: Any) -> None:
        ours = cache_type == Window.name
        super().__init__(fs, path, "rb", cache_type="none" if ours else cache_type, autocommit=True, **options)
        if ours:
            self.cache = Window(self.blocksize, self._fetch_range, self.size)

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = self.fs.cat_file(self.path, start, end, etag=self.details.get("etag"))
        return found


class _Writing(io.RawIOBase):
    """Collects, on disk where it is much, and sends everything at `close`: seen whole or not at all."""

    def __init__(self, fs: HubFileSystem, path: str, *, only_new: bool) -> None:
        self._fs, self._path, self._only_new = fs, path, only_new
        self._spool: Any = tempfile.SpooledTemporaryFile(_SPOOL)  # noqa: SIM115  closed by `close`
        self._failed = False

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return int(self._spool.write(content))

    def tell(self) -> int:
        return int(self._spool.tell())

    def __exit__(self, kind: Any, *rest: Any) -> None:
        self._failed = self._failed or kind is not None
        super().__exit__(kind, *rest)

    def fail(self) -> None:
        """Send nothing at `close`."""
        self._failed = True

    def close(self) -> None:
        """Send it; with an error inside ``with`` nothing is sent."""
        if self.closed:
            return
        super().close()
        try:
            if not self._failed:
                self._spool.seek(0)
                self._fs._put(self._path, self._spool, only_new=self._only_new)
        finally:
            self._spool.close()


class _Text(io.TextIOWrapper):
    """Text on its way into a `_Writing`."""

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is not None:
            self.buffer.fail()  # type: ignore[attr-defined]
        super().__exit__(kind, *rest)


class _as_os_errors:
    """What other file systems raise, so that callers need not know ours."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: Any, problem: BaseException | None, _trace: Any) -> None:
        kinds: dict[type[HubernateError], type[Exception]] = {
            NotFound: FileNotFoundError,
            NotAllowed: PermissionError,
            InvalidInput: ValueError,
        }
        for ours, theirs in kinds.items():
            if isinstance(problem, ours):
                raise theirs(f"hub://{self._path}: {problem.message}") from problem
        if isinstance(problem, Conflict):
            raise OSError(f"hub://{self._path}: {problem.message}") from problem


def _split(path: str) -> tuple[str, str]:
    source, _, inner = path.partition("/")
    return source, inner


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "type": "directory", "size": 0}


def _entry(source: str, entry: dict[str, Any]) -> dict[str, Any]:
    name = f"{source}/{entry['path']}".rstrip("/")
    if entry["type"] == "folder":
        return _folder(name)
    facts = {"etag": entry["etag"], "modified_at": entry["modified_at"]}
    return {"name": name, "type": entry["type"], "size": entry["size"]} | facts

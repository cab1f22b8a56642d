"""Files that a person sends for a job: kept by their digest, checked before they are, unpacked in containers only."""

import asyncio
import hashlib
import os
import shutil
import tarfile
import time
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from hubernate_core.errors import Conflict, InvalidInput, NotFound, Unavailable, shorten
from hubernate_core.job_request import OWN_FOLDER, ScriptJob, Work, check_job_path
from hubernate_core.manifests.docker_job import FOLDER
from hubernate_core.notebook import NOTEBOOK_UID
from hubernate_core.quantity import show_bytes

MEMBERS_MAX = 10_000
FREE_MIN = 0.05
_KEPT_UNUSED_S = 3600
_LONG_NAME_MAX = 4096
"""Bytes of a GNU long name; a path of a job has 1000 at most."""
_MTIME_END = 2**32
_PROGRAMS = Path(__file__).parent / "programs"


class Files:
    """What people sent, below `folder`; each person of each tenant has a place of their own.

    Args:
        max_bytes: sent at once.
        person_max_bytes: kept of one person in one tenant.
    """

    def __init__(self, folder: Path, max_bytes: int, person_max_bytes: int) -> None:
        self._folder, self.max_bytes, self._person_max_bytes = folder, max_bytes, person_max_bytes

    def path(self, tenant: str, user: str, digest: str) -> Path:
        """Where the files with this sha256 of a person are, or would be."""
        whose = hashlib.sha256(f"{tenant}/{user}".encode()).hexdigest()[:32]
        return self._folder / whose / f"{digest}.tar"

    def find(self, tenant: str, user: str, digest: str) -> Path:
        """As `path`.

        Raises:
            NotFound: they were not sent, or are gone since nothing named them for an hour.
        """
        path = self.path(tenant, user, digest)
        if not path.exists():
            raise NotFound(f"files {digest[:12]}… are not here; send them (again), then submit the job")
        os.utime(path)
        return path

    async def keep(self, path: Path, content: AsyncIterator[bytes]) -> None:
        """Keep `content`, a tar, as `path`, whose name is its digest.

        Raises:
            InvalidInput: too large, not that digest, no tar, or one with anything but files and folders below it.
            Conflict: with it more would be kept of this person than may be.
            Unavailable: the disk is nearly full.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if disk_is_full(path.parent):
            raise Unavailable(
                "the platform's disk is nearly full, so nothing was kept. Ask an admin, then send it again"
            )
        part, seen, size = path.with_name(f"{path.name}.{os.urandom(8).hex()}"), hashlib.sha256(), 0
        try:
            with part.open("wb") as file:
                async for piece in content:
                    if disk_is_full(path.parent):
                        raise Unavailable(
                            "the platform's disk is nearly full, so nothing was kept. Ask an admin, then send it again"
                        )
                    size += len(piece)
                    if size > self.max_bytes:
                        raise InvalidInput(
                            "files",
                            f"over {show_bytes(self.max_bytes)}; send less (choose files, or leave some out), and"
                            " read what is large from the home folder or a source",
                        )
                    seen.update(piece)
                    file.write(piece)
            if seen.hexdigest() != path.stem:
                raise InvalidInput("files", "what came is not what its sha256 says; send it again")
            await asyncio.to_thread(check_tar, part, self.max_bytes)
            self._check_room(path, part, size)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _check_room(self, path: Path, part: Path, size: int) -> None:
        others = [each for each in path.parent.iterdir() if each not in (path, part)]
        kept = sum(each.stat().st_size for each in others)
        if kept + size > self._person_max_bytes:
            raise Conflict(
                f"{show_bytes(kept)} of files that you sent are kept for your jobs, and these {show_bytes(size)} would"
                f" be more than {show_bytes(self._person_max_bytes)}; nothing was kept. Files go an hour after the last"
                " job that names them is forgotten; send less, and read what is large from the home folder or a source"
            )

    def forget_unused(self, used: set[str]) -> None:
        """Delete what no job names and nobody sent or used for an hour."""
        for path in self._folder.glob("*/*"):
            if path.stem.partition(".")[0] not in used and time.time() - path.stat().st_mtime > _KEPT_UNUSED_S:
                path.unlink(missing_ok=True)


def disk_is_full(folder: Path) -> bool:
    """Whether less than a twentieth of the disk below `folder` is free: the rest is the platform's, not for jobs."""
    found = shutil.disk_usage(folder)
    return found.free < (found.used + found.free) * FREE_MIN  # as df: what is root's alone is nobody's


def check_tar(path: Path, max_bytes: int) -> None:
    """Refuse what could reach out of the job's folder, or could not be unpacked there.

    Args:
        max_bytes: of all files together, as their headers say.

    Raises:
        InvalidInput: naming the member.
    """
    end, room = path.stat().st_size, max_bytes
    files, folders = set[str](), set[str]()
    try:
        with _open(path) as tar:
            for number, member in enumerate(tar):
                if number >= MEMBERS_MAX:
                    raise InvalidInput("files", f"over {MEMBERS_MAX} files and folders; choose fewer")
                name, shown = member.name.rstrip("/"), repr(shorten(member.name, 80))
                check_job_path(name, "files")
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                    raise InvalidInput("files", f"{shown} is neither a file nor a folder")
                room -= member.size
                if room < 0:
                    raise InvalidInput("files", f"with {shown} over {show_bytes(max_bytes)}; send less")
                if member.isreg() and member.offset_data + member.size > end:
                    raise InvalidInput("files", f"{shown} is cut off; pack and send the files again")
                (folders if member.isdir() else files).add(name)
                folders.update(str(each) for each in PurePosixPath(name).parents)
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as problem:
        raise InvalidInput("files", f"this is no tar: {shorten(str(problem), 200)}") from problem
    if both := files & folders:
        raise InvalidInput("files", f"{shorten(min(both), 80)!r} is both a file and a folder")


class _Plain(tarfile.TarInfo):
    """A member as GNU and ustar tars have it. Python up to 3.11.9 takes quadratic time, and memory, for extended
    headers (CVE-2024-6232), and goes round for ever where a size is negative; none of that is needed for files.
    """

    def _proc_pax(self, _: tarfile.TarFile) -> NoReturn:
        raise tarfile.ReadError("it has pax headers; write it in GNU format (tar --format=gnu)")

    def _proc_sparse(self, _: tarfile.TarFile) -> NoReturn:
        raise tarfile.ReadError("it has sparse files; write them whole (tar without --sparse)")

    def _proc_gnulong(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if not 0 <= self.size <= _LONG_NAME_MAX:
            raise tarfile.ReadError(f"it has a name of over {_LONG_NAME_MAX} bytes")
        return super()._proc_gnulong(tar)  # type: ignore[misc,no-any-return]  # the typeshed does not have it

    def _proc_builtin(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise tarfile.ReadError("the size of a file in it is negative")
        return super()._proc_builtin(tar)  # type: ignore[misc,no-any-return]


def _open(path: Path) -> tarfile.TarFile:
    return tarfile.open(path, "r:", tarinfo=_Plain)


def pack(files: Path, work: Work, out: IO[bytes]) -> None:
    """Write a tar for the root of a job's container: the job's folder with `files` in it, its user's own."""
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(_owned(tarfile.TarInfo(FOLDER.lstrip("/")), folder=True))
        with _open(files) as given:
            for member in given:
                content = given.extractfile(member) if member.isreg() else None
                member.name = f"{FOLDER.lstrip('/')}/{member.name.rstrip('/')}"
                tar.addfile(_owned(member, folder=member.isdir()), content)
        for name, data in _programs(work).items():
            entry = tarfile.TarInfo(f"{FOLDER.lstrip('/')}/{OWN_FOLDER}/{name}")
            entry.size = len(data)
            tar.addfile(_owned(entry), BytesIO(data))
    out.seek(0)


def pack_outputs(kept: Path, work: Work, out: IO[bytes]) -> None:
    """What was kept of an attempt, as a tar of the job's folder; but for what its kind keeps, which begins anew."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(kept.rglob("*")):
            inside = path.relative_to(kept).as_posix()
            if inside not in work.keeps and not path.is_symlink() and (path.is_file() or path.is_dir()):
                entry = tar.gettarinfo(path, f"{FOLDER.lstrip('/')}/{inside}")
                with path.open("rb") if path.is_file() else BytesIO() as content:
                    tar.addfile(_owned(entry, folder=path.is_dir()), content)
    out.seek(0)


def _programs(work: Work) -> dict[str, bytes]:
    if isinstance(work, ScriptJob):
        return {}
    program = (_PROGRAMS / f"run_{work.kind}.py").read_bytes()
    return {f"run_{work.kind}.py": program, f"{work.kind}.json": work.model_dump_json().encode()}


def _owned(entry: tarfile.TarInfo, *, folder: bool = False) -> tarfile.TarInfo:
    entry.uid = entry.gid = NOTEBOOK_UID
    entry.uname = entry.gname = ""
    if folder:
        entry.type, entry.mode, entry.size = tarfile.DIRTYPE, 0o755, 0
    else:
        entry.mode = 0o644 | (entry.mode & 0o111)
    if not 0 < entry.mtime < _MTIME_END:
        entry.mtime = int(time.time())
    return entry

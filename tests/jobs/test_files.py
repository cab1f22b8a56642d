"""Files that are sent for a job: tars that would hold the service up, or fill it, are refused at once."""

import asyncio
import hashlib
import io
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubernate.snapshot import pack as pack_snapshot
from hubernate_core.errors import Conflict, InvalidInput, Unavailable
from hubernate_core.job_request import ScriptJob
from hubernate_hub.jobs import files as files_module
from hubernate_hub.jobs.files import Files, check_tar, pack
from support.jobs import tar_of

MAX = 64 * 1024**2
SCRIPT = ScriptJob(kind="script", script="run.sh")


def block(name: str, size: int, type: bytes = tarfile.REGTYPE, content: bytes = b"") -> bytes:
    """One header with `content`; `size` is what it says, whatever that is."""
    entry = tarfile.TarInfo(name)
    entry.type = type
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def pax(content: bytes) -> bytes:
    return block("././@PaxHeader", len(content), tarfile.XHDTYPE, content)


FILE, END = block("run.sh", 4, content=b"true"), bytes(1024)
BAD = {
    "pax": (pax(b"11 path=abc\n") + FILE, "pax headers; write it in GNU format"),
    "quadratic": (pax(b"0" * (20 * 1024**2)) + FILE, "pax headers"),
    "global": (block("g", 512, tarfile.XGLTYPE, b"11 path=abc\n" + b"\n" * 500) + FILE, "pax headers"),
    "later": (FILE + pax(b"1" * (20 * 1024**2)), "pax headers"),
    "sparse": (block("hole", 0, tarfile.GNUTYPE_SPARSE) + FILE, "sparse files"),
    "long": (block("l", 40 * 1024**2, tarfile.GNUTYPE_LONGNAME, b"a" * 40 * 1024**2) + FILE, "over 4096 bytes"),
    "chain": (block("l", 2, tarfile.GNUTYPE_LONGNAME, b"a") * 20_000 + FILE, "no tar"),
    "negative": (FILE + block("back", -512), "negative"),
    "back": (FILE + block("l", -1024, tarfile.GNUTYPE_LONGNAME), "4096 bytes"),
    "cut off": (block("run.sh", 5000, content=b"true"), "cut off"),
    "sum": (block("run.sh", 1024**4), "over 67.1 MB"),
    "under a file": (FILE + block("run.sh/x", 0), "both a file and a folder"),
}  # fmt: skip


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1024**2):
        yield content[start : start + 1024**2]


@pytest.mark.parametrize("name", BAD)
def test_a_tar_that_would_hold_the_service_up_is_refused_and_nothing_is_kept(tmp_path: Path, name: str) -> None:
    content, why = BAD[name]
    content += END
    files = Files(tmp_path, MAX, MAX)
    path = files.path("t123456789", "ada", hashlib.sha256(content).hexdigest())
    begun = time.process_time()
    with pytest.raises(InvalidInput, match=why) as refused:
        asyncio.run(asyncio.wait_for(files.keep(path, pieces(content)), 20))
    assert refused.value.field == "files"
    assert time.process_time() - begun < 3
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_long_and_foreign_names_need_no_pax(tmp_path: Path) -> None:
    names = ["run.sh", "/".join(["a" * 120] * 5), "é" * 100, "data/日本.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    sent, _ = pack_snapshot(tmp_path, names)
    given = tmp_path / "given.tar"
    given.write_bytes(sent.read())
    check_tar(given, MAX)
    out = io.BytesIO()
    pack(given, SCRIPT, out)
    with tarfile.open(fileobj=out) as tar:
        found = {each.name: tar.extractfile(each) for each in tar if each.isreg()}
        assert {name: file and file.read().decode() for name, file in found.items()} == {
            f"job/{name}": name for name in names
        }


def test_a_folder_with_a_size_and_odd_times_become_plain(tmp_path: Path) -> None:
    given, out = tmp_path / "given.tar", io.BytesIO()
    odd = tarfile.TarInfo("folder")
    odd.type, odd.size, odd.mtime = tarfile.DIRTYPE, 512, 2**70
    given.write_bytes(odd.tobuf(tarfile.GNU_FORMAT) + tar_of({"run.sh": "true"}))
    check_tar(given, MAX)
    pack(given, SCRIPT, out)
    with tarfile.open(fileobj=out) as tar:
        folder = tar.getmember("job/folder")
        assert (folder.size, folder.mtime < time.time() + 60) == (0, True)


def test_what_is_kept_of_one_person_is_bounded(tmp_path: Path) -> None:
    some = [tar_of({"run.sh": f"echo {number}"}) for number in range(3)]
    files = Files(tmp_path, MAX, 2 * len(some[0]))

    def send(content: bytes, user: str = "ada") -> Path:
        path = files.path("t123456789", user, hashlib.sha256(content).hexdigest())
        asyncio.run(files.keep(path, pieces(content)))
        return path

    kept = [send(each) for each in some[:2]]
    with pytest.raises(Conflict, match=r"nothing was kept\. Files go an hour after"):
        send(some[2])
    send(some[1])  # again, it is there already
    send(some[2], "eve")
    assert sorted(kept[0].parent.iterdir()) == sorted(kept)


def test_nothing_is_taken_while_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "FREE_MIN", 1.1)
    content = tar_of({"run.sh": "true"})
    files = Files(tmp_path, MAX, MAX)
    path = files.path("t123456789", "ada", hashlib.sha256(content).hexdigest())
    with pytest.raises(Unavailable, match="disk is nearly full"):
        asyncio.run(files.keep(path, pieces(content)))
    assert not path.exists()

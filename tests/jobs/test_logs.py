"""Logs on disk and over the API: whole, in order, whatever is written; and outputs that try to reach out."""

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.errors import Conflict
from hubernate_hub.jobs import logs
from hubernate_hub.jobs.logs import CHUNK, LogWriter, RawLog, read, size_of, tail
from support.jobs import Site


def whole(folder: Path) -> bytes:
    """All that a reader is given."""
    content, offset = bytearray(), 0
    while (part := read(folder, offset)).content:
        assert part.next > offset
        content += part.content
        offset = part.next
    return bytes(content)


@given(st.lists(st.binary(max_size=2000), max_size=30), st.integers(1, 30))
def test_what_was_written_is_read_whatever_it_is_and_whoever_was_killed(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], killed_after: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    for number, piece in enumerate(pieces):
        if number % killed_after == 0:
            writer = LogWriter(folder, 8 * CHUNK)  # another process goes on
        writer.write(piece)
    assert whole(folder) == b"".join(pieces)
    assert size_of(folder) == sum(map(len, pieces))


def test_of_a_log_over_its_limit_beginning_and_end_are_kept_and_the_gap_is_told(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, 8 * CHUNK)
    content = os.urandom(20 * CHUNK + 5)
    for start in range(0, len(content), 700_000):
        writer.write(content[start : start + 700_000])
    kept = whole(tmp_path)
    marker = b"\n[%d bytes of the log were not kept here]\n" % (13 * CHUNK)
    assert kept == content[: 2 * CHUNK] + marker + content[15 * CHUNK :]
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 8 * CHUNK
    assert tail(tmp_path, 100) == content[-100:]
    assert size_of(tmp_path) == len(content)


def moved(raw: RawLog, writer: LogWriter) -> None:
    while raw.move(writer):
        pass


@pytest.mark.parametrize("grown", [3, 3 * CHUNK], ids=["shorter", "longer than before"])
@pytest.mark.parametrize("killed", [False, True])
def test_of_a_file_that_the_program_empties_nothing_written_afterwards_is_lost(
    tmp_path: Path, grown: int, killed: bool
) -> None:
    path, kept = tmp_path / "raw-1", tmp_path / "log-1"
    raw, writer = RawLog(path), LogWriter(kept, 64 * CHUNK)
    raw.make()
    first, second, third = os.urandom(2 * CHUNK + 9), os.urandom(grown), os.urandom(CHUNK)
    path.write_bytes(first)
    moved(raw, writer)
    path.write_bytes(second)  # as O_TRUNC does
    if killed and grown < len(first):
        raw = RawLog(path)
    moved(raw, writer)
    if killed:
        raw, writer = RawLog(path), LogWriter(kept, 64 * CHUNK)
    with path.open("ab") as file:
        file.write(third)
    moved(raw, writer)
    told = b"\n[the job emptied its log file here; what it wrote just before may be missing]\n"
    assert whole(kept) == first + told + second + third
    raw.make()
    assert not raw.move(LogWriter(tmp_path / "log-2", CHUNK)), "a new one begins anew"


def test_a_file_that_grows_beyond_all_bounds_is_cut_and_the_job_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, writer = tmp_path / "raw-1", LogWriter(tmp_path / "log-1", 8 * CHUNK)
    raw = RawLog(path)
    raw.make()
    os.truncate(path, 1024**4)
    with pytest.raises(Conflict, match=r"more than 1.07 GB .* stopped"):
        raw.move(writer)
    assert path.stat().st_size == 0
    monkeypatch.setattr(logs, "RAW_MAX", 2 * CHUNK)
    path.write_bytes(bytes(2 * CHUNK))
    moved(raw, writer)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 3 * CHUNK)
    with pytest.raises(Conflict):
        raw.move(writer)


@pytest.mark.docker
def test_a_script_that_empties_or_blows_up_its_log(place: Site) -> None:
    ada = place.member("ada")
    cuts = ada.submit("echo first; sleep 2; echo second >/dev/stderr; echo third; echo fourth >&2")
    hole = ada.submit("echo begun; sleep 2; dd if=/dev/zero of=/dev/stderr bs=1 count=1 seek=2000000000000; sleep 100")
    assert ada.until(cuts)["state"] == "succeeded"
    log = ada.log(cuts)
    assert log.startswith(b"first\n\n[the job emptied its log file here")
    assert log.endswith(b"]\nsecond\nthird\nfourth\n")
    done = ada.until(hole)
    assert (done["state"], "its log file held more than" in done["why"]) == ("failed", True)
    assert ada.log(hole).startswith(b"begun\n")
    place.is_empty()


@pytest.mark.docker
def test_every_byte_comes_through_in_order(place: Site) -> None:
    ada = place.member("ada")
    script = r"""
printf 'no newline'; printf '\033[31mred\033[0m\r50%%\r100%%\n'; printf '\377\376\000\001'
head -c 40000 /dev/zero; printf '\n'
seq 1 20000
sleep 0.2; printf 'the end' >&2
"""
    job = ada.submit(script)
    ada.until(job)
    log = ada.log(job)
    head = b"no newline\x1b[31mred\x1b[0m\r50%\r100%\n\xff\xfe\x00\x01" + b"\0" * 40000 + b"\n"
    lines = b"".join(b"%d\n" % number for number in range(1, 20001))
    assert log == head + lines + b"the end"


@pytest.mark.docker
def test_a_hundred_megabytes_are_followed_and_capped(place: Site) -> None:
    ada = place.member("ada")
    job = ada.submit("head -c 100000000 /dev/zero; printf end")
    done = ada.until(job, timeout_s=200)
    assert done["log_bytes"] == 100_000_003
    log = ada.log(job)
    kept = 64 * CHUNK
    assert log.endswith(b"\0end")
    assert kept - CHUNK <= len(log) <= kept + 100
    assert b"bytes of the log were not kept here]" in log


@pytest.mark.docker
def test_outputs_that_reach_out_are_left_out_and_named(place: Site) -> None:
    ada = place.member("ada")
    script = """
mkdir out sub; echo fine > out/fine; ln -s /etc out/etc; ln -s /etc/passwd out/passwd; mkfifo out/pipe
echo real > sub/real; ln -s / up; ln -s sub alias; ln out/fine out/second
"""
    outputs = ["out", "up/etc/passwd", "alias/real", "up", "nothing"]
    job = ada.submit(script, outputs=outputs)
    done = ada.until(job)
    kept = {each["path"] for each in done["outputs"]}
    assert "out/fine" in kept or "out/second" in kept
    assert kept <= {"out/fine", "out/second"}
    told = "\n".join(done["left_out"])
    for path in ("out/etc: it is a link", "out/passwd: it is a link", "up/etc/passwd: up is a symbolic link",
                 "alias/real: alias is a symbolic link", "nothing: the job did not write it"):  # fmt: skip
        assert path in told
    for path in ("up/etc/passwd", "../../../../etc/passwd", "out/../../log-1/00000000"):
        assert ada.get(f"{job}/output", params={"path": path}).status_code == 404
    root = place.service.folder / "service" / "jobs" / job
    assert not [each for each in root.rglob("*") if each.is_symlink()]


@pytest.mark.docker
def test_outputs_that_cannot_be_kept_are_left_out_with_the_reason_and_the_job_ends(place: Site) -> None:
    ada = place.member("ada")
    place.service.inside.jobs.settings.outputs_max_bytes = 1000  # type: ignore[union-attr]
    script = "echo x > file; echo y > fine; mkdir big; head -c 2000000 /dev/zero > big/a; echo z > after"
    job = ada.submit(script, outputs=["file/below/it", "fine", "big", "after"])
    done = ada.until(job)
    assert done["state"] == "succeeded"
    assert [each["path"] for each in done["outputs"]] == ["fine"]
    below, big, after = done["left_out"]
    assert below.startswith("file/below/it: ")
    assert big == "big: with big/a and its 2 MB the outputs are larger than what is kept"
    assert after == "after: it comes after what was too much"
    place.is_empty()


@pytest.mark.docker
def test_files_that_reach_out_are_refused(place: Site) -> None:
    ada = place.member("ada")

    def refused(**changes: Any) -> str:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            entry = tarfile.TarInfo("file")
            for name, value in changes.items():
                setattr(entry, name, value)
            tar.addfile(entry)
        answer = ada.send(out.getvalue())
        assert answer.status_code == 422, answer.text
        return str(answer.json()["detail"])

    assert "below the job's folder" in refused(name="../x")
    assert "below the job's folder" in refused(name="/etc/x")
    assert "below the job's folder" in refused(name="a/../../x")
    assert "neither a file nor a folder" in refused(type=tarfile.SYMTYPE, linkname="/etc/passwd")
    assert "neither a file nor a folder" in refused(type=tarfile.LNKTYPE, linkname="x")
    assert "neither a file nor a folder" in refused(type=tarfile.CHRTYPE)
    assert "belongs to the platform" in refused(name=".hubernate/run_notebook.py")
    assert "no tar" in ada.send(b"not a tar at all" * 100).json()["detail"]
    content = b"x" * 600
    wrong = ada.ask("PUT", f"/tenants/physics/jobs/files/{hashlib.sha256(b'').hexdigest()}", content=content)
    assert "not what its sha256 says" in wrong.json()["detail"]
    assert not list((place.service.folder / "service" / "job-files").glob("*/*"))

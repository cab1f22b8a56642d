"""Outputs of which the engine would send without end."""

import contextlib
import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubernate_hub.jobs import outputs
from hubernate_hub.jobs.outputs import Kept, collect


class Engine:
    """Sends `pieces` for every path, and remembers whether it was told to stop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pieces: Iterator[bytes]) -> None:
        self.pieces, self.stopped = pieces, False
        monkeypatch.setattr(outputs, "is_link", lambda *_: False)
        monkeypatch.setattr(outputs, "read_archive", self._read)

    @contextlib.contextmanager
    def _read(self, *_: Any) -> Iterator[Iterator[bytes]]:
        try:
            yield self.pieces
        finally:
            self.stopped = True

    def collect(self, target: Path, **options: Any) -> Kept:
        return collect(None, "name", ["out", "more"], target, 1000, **options)  # type: ignore[arg-type]


def member(name: str, type: bytes, size: int = 0) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = type, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def test_folders_and_links_without_end_come_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_WITHOUT_FILES_MAX", 100_000)
    engine = Engine(monkeypatch, itertools.repeat(member("out/deep", tarfile.DIRTYPE)))
    kept = engine.collect(tmp_path)
    assert kept.left_out == [
        "out: there is too much beside plain files; the rest was left out",
        "more: it comes after what was too much",
    ]
    assert engine.stopped


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        yield member("out/hole", tarfile.REGTYPE, 10**15)
        while True:
            read += 1
            yield bytes(2**20)

    engine = Engine(monkeypatch, pieces())
    kept = engine.collect(tmp_path)
    assert "with out/hole and its" in kept.left_out[0]
    assert (kept.outputs, engine.stopped, read <= 1) == ([], True, True)


def test_they_have_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, itertools.repeat(member("out/deep", tarfile.DIRTYPE)))
    assert "took too long" in engine.collect(tmp_path, deadline_s=-1).left_out[0]
    assert engine.stopped


def test_what_cannot_be_written_is_left_out_and_the_others_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").write_text("a file where a folder is to be")
    pieces = [member("out/x", tarfile.REGTYPE), member("other", tarfile.REGTYPE), bytes(1024)]
    kept = Engine(monkeypatch, iter(pieces)).collect(tmp_path)
    assert [each.path for each in kept.outputs] == ["other"]
    assert kept.left_out[0].startswith("out/x: it could not be kept: ")

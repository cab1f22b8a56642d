"""The tar and the compression that we write ourselves, read by other programs; the pure decisions, by tables."""

import gzip
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from threading import Thread

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hubernate_checkpointer import tar
from hubernate_checkpointer.blocks import BLOCK_SIZE
from hubernate_checkpointer.capture.exclude import is_emptied, is_excluded
from hubernate_checkpointer.capture.index import DIRECTORY, FILE, WHITEOUT, Index, Node, OwnLayer, changes, merge
from hubernate_checkpointer.channel import Channel
from hubernate_checkpointer.compress import compression
from hubernate_checkpointer.image import Base
from hubernate_checkpointer.plan import Plan, largest, make_plan
from hubernate_checkpointer.registry import DOCKER_MANIFEST, Manifest
from hubernate_checkpointer.spool import Pipeline, Spool
from hubernate_core.checkpoint import Layer
from hubernate_core.errors import Broken

_names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and not name.endswith(b"/"))


@given(
    name=_names,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**31),
    mtime=st.integers(-(2**40), 2**62),
    link=st.one_of(st.just(b""), _names),
    value=st.binary(max_size=50),
)
def test_any_header_is_read_back_as_written(
    name: bytes, mode: int, uid: int, mtime: int, link: bytes, value: bytes
) -> None:
    kind = tar.SYMLINK if link else tar.FILE
    data = tar.header(name, kind, mode=mode, uid=uid, gid=uid, mtime_ns=mtime, link=link, xattrs={"user.x": value})
    assert len(data) % tar.BLOCK == 0
    with tarfile.open(fileobj=io.BytesIO(data + tar.END), errors="surrogateescape") as archive:
        entry = archive.next()
    assert entry is not None
    assert os.fsencode(entry.name) == name
    assert os.fsencode(entry.linkname) == link
    assert (entry.mode, entry.uid, entry.gid) == (mode, uid, uid)
    assert round(entry.mtime * 1e9) == pytest.approx(mtime, abs=1000)


def test_large_sizes_and_ids_need_records() -> None:
    data = tar.header(b"big", tar.FILE, mode=0o644, uid=2**31, size=9 * 2**30, mtime_ns=5)
    entry = tarfile.TarInfo.frombuf(data[-512:], "utf-8", "strict")
    assert entry.name == "big"
    with tarfile.open(fileobj=io.BytesIO(data + tar.END)) as archive:
        read = archive.next()
    assert read is not None
    assert (read.size, read.uid) == (9 * 2**30, 2**31)


@pytest.mark.parametrize("name", ["gzip", "zstd", "plain"])
@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, 3 * BLOCK_SIZE + 12345])
def test_a_blob_unpacks_to_what_went_in(tmp_path: Path, name: str, size: int) -> None:
    half = os.urandom(size // 2)
    content = half + b"compressible " * ((size - len(half)) // 13) + bytes((size - len(half)) % 13)
    spool = Spool(tmp_path / "spool")
    pipeline = Pipeline(spool, compression(name), "x", threads=2)
    for at in range(0, size, 100_000):
        pipeline.blocks.write(content[at : at + 100_000])
    layer = pipeline.close()
    blob = b"".join(spool.follow())
    readers = {
        "gzip": gzip.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(),
        "plain": bytes,
    }
    assert readers[name](blob) == content
    assert layer.size == len(blob)
    if name == "gzip":
        subprocess.run(["gzip", "-t"], input=blob, check=True)
    spool.close()
    assert not (tmp_path / "spool").exists()


def test_a_producer_that_fails_is_heard_by_the_reader(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    pipeline = Pipeline(spool, compression("gzip"), "x", threads=1)
    pipeline.blocks.write(b"x" * 3 * BLOCK_SIZE)
    pipeline.abandon(OSError("no"))
    with pytest.raises(OSError, match="no"):
        list(spool.follow())


def test_a_channel_holds_little() -> None:
    """The writer waits for the reader; everything arrives, in order."""
    channel, got = Channel(), []
    reader = Thread(target=lambda: got.extend(channel.follow()))
    reader.start()
    for number in range(64):
        channel.write(bytes([number]) * 1_000_000)
        assert channel._pending <= 18_000_000
    channel.finish("sha256:x")
    reader.join()
    assert b"".join(got) == b"".join(bytes([number]) * 1_000_000 for number in range(64))


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("etc/hosts", True), ("etc/hostname", True), (".dockerenv", True), ("etc/hosts.bak", False),
        ("home/x/.local/share/jupyter/runtime/jupyter_cookie_secret", True), ("root/.cache", True),
        ("opt/app.db-wal", False), ("opt/app.db-shm", False), ("home/x/.cache", False), ("tmpfile", False),
    ],
)  # fmt: skip
def test_what_is_left_out(path: str, left_out: bool) -> None:
    assert is_excluded(path, path.rpartition("/")[2]) is left_out


def test_folders_that_are_emptied() -> None:
    for path in ("tmp", "var/tmp", "run", "home/x/.local/share/jupyter/runtime", "home/x/.cache/pip", "etc/hubernate"):
        assert is_emptied(path)
    for path in ("opt/tmp", "home/x/.local/share/jupyter", "var"):
        assert not is_emptied(path)


def _node(kind: str = FILE, *, seq: int = 1, born: int = 1, opaque: int = 0, size: int = 0, ino: int = 1) -> Node:
    return Node(kind, ino, size, 0, 1, False, opaque, seq, 0 if kind == WHITEOUT else born)


def _nothing(path: str) -> bool:
    return False


def test_a_change_brings_its_folders() -> None:
    nodes = {"a": _node(DIRECTORY), "a/b": _node(DIRECTORY), "a/b/c": _node(seq=2), "a/d": _node()}
    assert [each.path for each in changes(Index(2, nodes), 1, _nothing)] == ["a", "a/b", "a/b/c"]


def test_what_came_and_went_between_two_saves_leaves_no_ghost() -> None:
    nodes = {"a": _node(DIRECTORY)}
    index = Index(4, nodes, {"a/saved": ((1, 4),), "a/never": ((2, 3),)})
    assert [each.path for each in changes(index, 1, _nothing)] == ["a", "a/saved"]


def test_a_folder_made_anew_hides_by_itself() -> None:
    nodes = {"a": _node(DIRECTORY, seq=3, opaque=3), "a/new": _node(seq=3, born=3)}
    found = changes(Index(3, nodes, {"a/old": ((1, 3),)}), 2, _nothing)
    assert [(each.path, each.opaque) for each in found] == [("a", True), ("a/new", False)]


def test_merging_keeps_what_hides_the_layers_below() -> None:
    top = {"a": _node(DIRECTORY), "a/x": _node()}
    bottom = {"a": _node(WHITEOUT), "b": _node(WHITEOUT), "c": _node()}
    found = {each.path: each for each in merge([top, bottom])}
    assert found["a"].opaque, "a folder over a whiteout: what lies below the merged layers stays hidden"
    assert found["b"].node is None
    assert found["c"].root == 1


def _layer(size: int) -> Layer:
    return Layer(digest="sha256:" + "0" * 64, diff_id="sha256:" + "1" * 64, size=size, media_type="x")


def test_plans() -> None:
    own = (OwnLayer(_layer(1000), 0), OwnLayer(_layer(10), 4))
    assert make_plan((), 0, own, 6, 0) == Plan(6, 0, own)
    assert make_plan((), 0, own, 6, 8) == Plan(4, 0, own[:1]), "two small ones become one"
    assert make_plan((), 0, own, 6, 900) == Plan(0, 0, ()), "too much dead weight: all of it anew"
    assert make_plan((_layer(1000), _layer(10)), 2, (), 0, 8) == Plan(0, 1, ()), "reaching into the parent image"


def test_the_largest_are_opened_up() -> None:
    nodes = {"a": _node(DIRECTORY), "a/big": _node(size=900), "a/small": _node(size=5), "b": _node(size=100)}
    found = {each.path: each.size for each in largest(nodes)}
    assert found["/a/big"] == 900
    assert found["/b"] == 100


def _base(config: dict[str, object]) -> Base:
    gzipped = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    body = json.dumps({"layers": [{"mediaType": gzipped, "size": 1, "digest": "sha256:x"}]}).encode()
    whole = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": ["sha256:y"]}, "config": config}
    return Base(Manifest(body, DOCKER_MANIFEST), json.dumps(whole).encode())


def test_a_config_takes_nothing_that_steers_the_host() -> None:
    base = _base(
        {
            "Env": ["A=1", "LD_PRELOAD=/x", "NVIDIA_DRIVER=all"],
            "Volumes": {"/v": {}},
            "OnBuild": ["RUN x"],
            "Labels": {"containerd.io/x": "y"},
        }
    )
    config = base.config([_layer(1)], {"io.hubernate.server": "s"})
    assert b"LD_PRELOAD" not in config
    assert b"NVIDIA" not in config
    assert b"Volumes" not in config
    assert b"OnBuild" not in config
    assert b"containerd.io" not in config
    assert config == base.config([_layer(1)], {"io.hubernate.server": "s"}), "equal input, equal bytes"


@pytest.mark.parametrize("folder", ["/proc/self/fd/8", "relative", "/a/../b"])
def test_a_working_directory_must_be_plain(folder: str) -> None:
    with pytest.raises(Broken):
        _base({"WorkingDir": folder}).config([], {})


def test_labels_outside_our_prefix_are_refused() -> None:
    with pytest.raises(Broken):
        _base({}).config([], {"containerd.io/restart.status": "running"})

"""Folders of images, sound and films: what is known of each file, and thumbnails, within bounds."""

import base64
import io
import os
import struct
import time
import zlib

import pytest
from PIL import Image

from .conftest import Platform

FILES = {"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}}


def image(width: int, height: int, kind: str = "JPEG") -> bytes:
    Image.effect_noise((width, height), 64).convert("RGB").save(out := io.BytesIO(), kind)
    return out.getvalue()


@pytest.fixture
def files(platform: Platform) -> Platform:
    (platform.folder / "team" / "set").mkdir()
    platform.add(FILES)
    return platform


def put(platform: Platform, name: str, content: bytes) -> None:
    (platform.folder / "team" / "set" / name).write_bytes(content)


def test_a_folder_of_images_is_told_by_its_files(files: Platform) -> None:
    put(files, "a b.jpg", image(640, 480))
    put(files, "c.PNG", image(30, 50, "PNG"))
    put(files, "d.mp3", b"sound")
    put(files, "notes.bin", b"no media")
    sample = files.notebook("GET", "/files/sample?path=set").json()
    found = sample["found"]
    assert sample["path"] == "set" and found["columns"] == ["url", "name", "type", "size", "width", "height"]
    sizes = {path.name: path.stat().st_size for path in (files.folder / "team/set").iterdir()}
    assert found["rows"] == [
        ["hub://files/set/a b.jpg", "a b.jpg", "image", sizes["a b.jpg"], 640, 480],
        ["hub://files/set/c.PNG", "c.PNG", "image", sizes["c.PNG"], 30, 50],
        ["hub://files/set/d.mp3", "d.mp3", "audio", 5, None, None],
    ]
    assert set(found["thumbnails"]) == {"hub://files/set/a b.jpg", "hub://files/set/c.PNG"}
    small = found["thumbnails"]["hub://files/set/a b.jpg"].removeprefix("data:image/jpeg;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(small))).size == (96, 72)
    one = files.notebook("GET", "/files/sample", params={"path": "set/a b.jpg"}).json()
    assert one["path"] == "set/a b.jpg" and [row[1] for row in one["found"]["rows"]] == ["a b.jpg"]
    page = files.ada("GET", "/tenants/physics/sources/files/schema?path=set").json()["found"]
    assert page["format"] == "media"


def test_what_is_no_image_is_a_row_without_a_picture(files: Platform) -> None:
    put(files, "cut.jpg", image(800, 600)[:5000])
    put(files, "empty.jpg", b"")
    put(files, "fake.png", b"<svg onload=alert(1)>")
    put(files, "text.jpg", os.urandom(3000))
    found = files.notebook("GET", "/files/sample?path=set").json()["found"]
    assert {row[1]: row[4:] for row in found["rows"]} == {
        "cut.jpg": [800, 600], "fake.png": [None, None], "text.jpg": [None, None]}  # fmt: skip
    assert found["thumbnails"] == {}


def test_large_images_give_their_size_and_cost_nothing(files: Platform) -> None:
    """A bomb: 40,000 × 40,000 pixels in some kilobytes; and a file of 300 MB of which the header is read."""
    rows = zlib.compress(bytes(5_001 * 40_000), 9)
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )
    assert len(bomb) < 1_000_000
    put(files, "bomb.png", bomb)
    put(files, "large.jpg", image(1200, 900))
    with (files.folder / "team/set/large.jpg").open("ab") as file:
        file.truncate(300_000_000)
    began = time.monotonic()
    answer = files.notebook("GET", "/files/sample?path=set")
    found = answer.json()["found"]
    assert {row[1]: row[4:] for row in found["rows"]} == {"bomb.png": [40_000, 40_000], "large.jpg": [1200, 900]}
    assert found["thumbnails"] == {} and time.monotonic() - began < 20


def test_many_images_are_bounded(files: Platform) -> None:
    content = image(64, 64)
    for number in range(300):
        put(files, f"{number:04}.jpg", content)
    found = files.notebook("GET", "/files/sample?path=set").json()["found"]
    assert len(found["rows"]) == 100 and "of 300" in found["note"]
    assert len(found["thumbnails"]) == 24 and len(str(found)) < 200_000


def test_data_among_images_is_shown_first(files: Platform) -> None:
    put(files, "a.jpg", image(10, 10))
    put(files, "labels.csv", b"name,label\na.jpg,cat\n")
    found = files.notebook("GET", "/files/sample?path=set").json()["found"]
    assert found["rows"] == [["a.jpg", "cat"]]

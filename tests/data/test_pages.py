"""The Sources page: what a person's teams have, folder by folder, with the first rows; everything escaped."""

import httpx

from .conftest import Platform
from .misbehaving import misbehaving

FILES = {"name": "files", "title": "<b>Our</b> files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}}


def page(platform: Platform, path: str, token: str) -> httpx.Response:
    return platform.service.ask("GET", path, token, headers={"accept": "text/html"})


def test_a_person_looks_into_their_teams_sources(platform: Platform) -> None:
    (platform.folder / "team" / "a b").mkdir()
    (platform.folder / "team" / "a b" / "x&y.csv").write_text("city,price\n<script>alert(1)</script>,1\n")
    platform.add(FILES)
    listed = page(platform, "/sources", platform.ada.token)
    assert listed.status_code == 200 and "hub://files/" in listed.text
    assert "<b>Our" not in listed.text and "&lt;b&gt;Our" in listed.text
    assert "hubernate sources add" not in listed.text, "a member registers nothing"
    assert "hubernate sources add physics" in page(platform, "/sources", platform.root.token).text
    folder = page(platform, "/sources/physics/files?path=a%20b", platform.ada.token)
    assert "path=a%20b/x%26y.csv" in folder.text
    sample = page(platform, "/sources/physics/files?path=a%20b/x%26y.csv", platform.ada.token)
    assert "The first 1 rows, seen" in " ".join(sample.text.split())
    assert "<script>alert" not in sample.text and "&lt;script&gt;alert(1)" in sample.text


def test_another_teams_sources_are_not_there(platform: Platform) -> None:
    platform.add(FILES)
    assert "hub://files/" not in page(platform, "/sources", platform.eve.token).text
    assert page(platform, "/sources/physics/files", platform.eve.token).status_code == 404
    assert page(platform, "/sources/physics/nothing", platform.ada.token).status_code == 404


def test_what_cannot_be_had_is_said_on_the_page(platform: Platform) -> None:
    with misbehaving() as web:
        platform.add({"name": "web", "place": {"kind": "http", "url": f"http://127.0.0.1:{web.port}/"}})
    gone = page(platform, "/sources/physics/web?path=x.csv", platform.ada.token)
    assert gone.status_code == 200 and "does not answer" in gone.text
    outside = page(platform, "/sources/physics/web?path=../x", platform.ada.token)
    assert outside.status_code == 200 and "component" in outside.text

"""The Sources page: what a person's teams have, folder by folder, with the first rows; everything escaped."""

import re

import httpx
from sqlalchemy import event

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


def statements(platform: Platform, path: str) -> int:
    """How many a page needs."""
    seen: list[str] = []
    engine = platform.service.inside.store._engine
    note = lambda _connection, _cursor, statement, *_more: seen.append(statement)  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert page(platform, path, platform.root.token).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def test_many_teams_and_sources_are_paged_and_need_no_more_queries(platform: Platform) -> None:
    platform.add(FILES)
    few = statements(platform, "/sources")
    for number in range(30):
        assert platform.root("POST", "/tenants", json={"name": f"team-{number:02d}"}).status_code == 201
    for number in range(52):
        web = {"name": f"more-{number:02d}", "place": {"kind": "http", "url": "https://data.example.com/"}}
        platform.add(web, tenant="team-29")
    assert statements(platform, "/sources") == few
    first = page(platform, "/sources", platform.root.token).text
    following = re.search(r'href="[^"]*/(sources\?cursor=[^"]+)', first)
    assert following is not None and "team-05" in first and "team-29" not in first
    second = page(platform, "/" + following[1].replace("&amp;", "&"), platform.root.token).text
    assert "hub://more-49/" in second and "hub://more-50/" not in second and "and 2 more" in second
    assert "sources?cursor=" not in second, "it is the last"
    assert "sources?cursor=" not in page(platform, "/sources", platform.ada.token).text, "she is in one"


def test_the_form_asks_what_each_kind_needs_and_admins_only(platform: Platform) -> None:
    form = page(platform, "/sources/physics?kind=postgresql", platform.root.token).text
    for name in ("source.place.host", "source.place.user", "credential.values.password"):
        assert f'name="{name}"' in form, name
    assert "source.place.parameters" not in form and "may read and write" not in form, "a database is read only"
    assert (
        'data-list placeholder="one, another" name="source.place.databases"'
        in page(platform, "/sources/physics?kind=hive", platform.root.token).text
    )
    assert 'name="source.place.bucket"' in page(platform, "/sources/physics", platform.root.token).text
    assert page(platform, "/sources/physics", platform.ada.token).status_code == 403
    assert page(platform, "/sources/physics", platform.eve.token).status_code == 404

"""Files of a folder through the gateway: ranges, writes, containment, who may."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubernate_hub.data.config import DataGateway
from hubernate_hub.store import sources
from support.platform_service import eventually, running

from .conftest import Platform, people
from .processes import workers

FILES: dict[str, Any] = {"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}}


def granted(tenant: str, **members: str) -> dict[str, Any]:
    return FILES | {"grants": {"tenant": tenant, "members": members}}


def test_a_file_is_read_whole_in_parts_and_by_version(platform: Platform) -> None:
    content = os.urandom(700_000)
    (platform.folder / "team" / "x.bin").write_bytes(content)
    platform.add(FILES)
    whole = platform.notebook("GET", "/files/object?path=x.bin")
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-disposition"] == "attachment", "never a page on the platform's own host"
    for header, wanted in (
        ("bytes=0-9", content[:10]),
        ("bytes=699990-", content[699_990:]),
        ("bytes=-5", content[-5:]),
        ("bytes=300000-599999", content[300_000:600_000]),
        ("bytes=699999-9999999", content[-1:]),
    ):
        part = platform.notebook("GET", "/files/object?path=x.bin", headers={"range": header})
        assert (part.status_code, part.content) == (206, wanted), header
        assert part.headers["content-range"].endswith("/700000")
    beyond = platform.notebook("GET", "/files/object?path=x.bin", headers={"range": "bytes=700000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */700000")
    head = platform.notebook("HEAD", "/files/object?path=x.bin")
    assert (head.headers["content-length"], head.headers["etag"]) == ("700000", whole.headers["etag"])
    (platform.folder / "team" / "x.bin").write_bytes(b"new")
    old = platform.notebook("GET", "/files/object?path=x.bin", headers={"if-match": whole.headers["etag"]})
    assert old.status_code == 409 and "changed" in old.json()["detail"]


def test_names_are_what_they_are(platform: Platform) -> None:
    names = ["a=1", "100%", "two words", "ünïcödé 文", "%2e%2e", "a&b?c#d", "-", "...", "it's"]
    for name in names:
        (platform.folder / "team" / name).write_text(name)
    platform.add(FILES)
    listed = platform.notebook("GET", "/files/entries").json()["entries"]
    assert sorted(each["path"] for each in listed) == sorted(names)
    for name in names:
        answer = platform.notebook("GET", "/files/object", params={"path": name})
        assert (answer.status_code, answer.text) == (200, name)


def test_a_listing_comes_in_pages(platform: Platform) -> None:
    for number in range(25):
        (platform.folder / "team" / f"{number:03}").touch()
    platform.add(FILES)
    found: list[str] = []
    after = ""
    while True:
        page = platform.notebook("GET", "/files/entries", params={"limit": 10, "after": after}).json()
        found += [each["path"] for each in page["entries"]]
        after = page["next"]
        if not after:
            break
    assert found == [f"{number:03}" for number in range(25)]


@pytest.mark.parametrize(
    "path",
    ["../secret", "/etc/passwd", "a/../../secret", "./x", "a//b", "link", "folder-link/secret", "x\x00", "..", "pipe"],
)
def test_nothing_outside_is_reached(platform: Platform, path: str) -> None:
    (platform.folder / "secret").write_text("not yours")
    inside = platform.folder / "team"
    (inside / "link").symlink_to(platform.folder / "secret")
    (inside / "folder-link").symlink_to(platform.folder)
    os.mkfifo(inside / "pipe")
    platform.add(FILES)
    for verb in ("object", "info", "entries", "sample"):
        answer = platform.notebook("GET", f"/files/{verb}", params={"path": path})
        assert answer.status_code in (404, 422), (verb, answer.text)
        assert "not yours" not in answer.text and str(platform.folder) not in answer.text
    listed = platform.notebook("GET", "/files/entries").json()["entries"]
    assert listed == [], "links and pipes are not there"


def test_a_prefix_is_a_folder_and_no_beginning_of_a_name(platform: Platform) -> None:
    (platform.folder / "team-secret").mkdir()
    (platform.folder / "team-secret" / "x").write_text("not yours")
    platform.add(FILES)
    answer = platform.notebook("GET", "/files/object", params={"path": "-secret/x"})
    assert answer.status_code == 404


def test_a_write_is_seen_when_all_of_it_came(platform: Platform) -> None:
    platform.add(granted("write"))
    content = os.urandom(1_000_000)
    sent = platform.notebook("PUT", "/files/object", params={"path": "new/deep/x.bin"}, content=content)
    assert sent.status_code == 200, sent.text
    assert (platform.folder / "team/new/deep/x.bin").read_bytes() == content
    again = platform.notebook(
        "PUT", "/files/object?path=new/deep/x.bin", content=b"other", headers={"if-none-match": "*"}
    )
    assert again.status_code == 409
    assert (platform.folder / "team/new/deep/x.bin").read_bytes() == content

    def broken() -> Any:
        yield content
        raise RuntimeError("the notebook died")

    with pytest.raises(RuntimeError):
        platform.notebook("PUT", "/files/object?path=new/deep/y.bin", content=broken())
    assert platform.notebook("GET", "/files/object?path=new/deep/y.bin").status_code == 404
    deep = platform.folder / "team/new/deep"
    eventually("no half of it lies about", lambda: {path.name for path in deep.iterdir()} == {"x.bin"})


def test_an_upload_that_stalls_is_ended(platform: Platform) -> None:
    platform.add(granted("write"))
    platform.service.inside.data.settings.stall_s = 2
    team = platform.folder / "team"

    def stalled() -> Any:
        yield os.urandom(1_000_000)
        eventually("it has begun", lambda: any(team.iterdir()))
        eventually("it is given up while its sender is still there", lambda: not any(team.iterdir()))

    with suppress(httpx.TransportError):  # the service closes the connection, in the middle of what is sent or after it
        answer = platform.notebook("PUT", "/files/object?path=x.bin", content=stalled())
        assert answer.status_code == 422 and "nothing came for 2 s" in answer.json()["detail"]
    assert platform.notebook("GET", "/files/object?path=x.bin").status_code == 404
    assert platform.notebook("GET", "/files").json()["state"] == "closed"


def test_reading_is_not_writing(platform: Platform) -> None:
    platform.add(granted("read"))
    refused = platform.notebook("PUT", "/files/object?path=x", content=b"x")
    assert refused.status_code == 403
    assert list((platform.folder / "team").iterdir()) == []


def test_a_grant_of_members_is_theirs_alone_and_ends_at_once(platform: Platform) -> None:
    (platform.folder / "team" / "x").write_text("hello")
    platform.add(granted("none", ada="read"))
    bob = platform.service.start("bob").ticket.relay_token
    assert platform.notebook("GET", "/files/object?path=x").text == "hello"
    nothing = platform.notebook("GET", "/nothing/object?path=x", token=bob)
    hidden = platform.notebook("GET", "/files/object?path=x", token=bob)
    assert hidden.status_code == nothing.status_code == 404
    assert hidden.json()["detail"] == nothing.json()["detail"]
    assert platform.notebook("GET", "", token=bob).json()["items"] == []
    assert platform.root("PUT", "/tenants/physics/sources/files", json=granted("none")).status_code == 200
    assert platform.notebook("GET", "/files/object?path=x").status_code == 404


def test_another_tenant_meets_nothing(platform: Platform) -> None:
    (platform.folder / "team" / "x").write_text("hello")
    platform.add(FILES)
    told = "you have no source of that name; `hubernate sources list TEAM` shows those you have"
    for verb in ("", "/info", "/entries", "/object?path=x", "/schema?path=x", "/sample?path=x"):
        answer = platform.notebook("GET", f"/files{verb}", token=platform.eve_token)
        assert (answer.status_code, answer.json()["detail"]) == (404, told), verb
    foreign, nowhere = (platform.eve("GET", f"/tenants/{name}/sources") for name in ("physics", "nowhere"))
    assert foreign.status_code == nowhere.status_code == 404
    assert foreign.json()["detail"] == nowhere.json()["detail"]
    from_outside = platform.ada("GET", "/tenants/physics/sources/files/object?path=x")
    assert from_outside.text == "hello", "with a token of the hub"


def test_who_read_how_much_is_counted(platform: Platform) -> None:
    content = os.urandom(5000)
    (platform.folder / "team" / "x").write_bytes(content)
    platform.add(FILES)
    for _ in range(3):
        assert hashlib.sha256(platform.notebook("GET", "/files/object?path=x").content).digest()
    platform.notebook("PUT", "/files/object?path=x", content=b"x")
    counts = platform.root("GET", "/tenants/physics/source-reads").json()["items"]
    seen = {(each["user"], each["verb"]): (each["calls"], each["moved"]) for each in counts}
    assert seen == {("ada", "read"): (3, 15_000), ("ada", "refused"): (1, 0)}
    assert platform.ada("GET", "/tenants/physics/source-reads").status_code == 403


def test_a_folder_belongs_to_one_tenant(platform: Platform) -> None:
    platform.add(FILES)
    for prefix, tenant in (("team/below", "biology"), ("", "biology"), ("team", "physics"), ("team/below", "physics")):
        spec = {"name": "other", "place": {"kind": "files", "folder": "shared", "prefix": prefix}}
        answer = platform.root("POST", f"/tenants/{tenant}/sources", json={"source": spec})
        assert answer.status_code == 409, (prefix, tenant)
    platform.add(
        {"name": "other", "place": {"kind": "files", "folder": "shared", "prefix": "teammate"}}, tenant="biology"
    )


def test_the_platform_is_asked_what_it_may(platform: Platform) -> None:
    platform.add(granted("write"))
    checks = platform.root("POST", "/tenants/physics/sources/files/test").json()["checks"]
    assert {each["question"]: each["ok"] for each in checks} == {
        "reachable": True,
        "exists": True,
        "readable": True,
        "writable": True,
    }
    (platform.folder / "team").rmdir()
    checks = platform.root("POST", "/tenants/physics/sources/files/test").json()["checks"]
    assert checks[-1]["question"] == "exists" and checks[-1]["ok"] is False and checks[-1]["advice"]


def test_no_process_stays_behind(tmp_path: Path, shared: Path, data_settings: DataGateway) -> None:
    (shared / "team" / "x").write_text("hello")
    with running(tmp_path / "state", data=data_settings) as service:
        platform = people(service, shared)
        platform.add(FILES)
        platform.notebook("GET", "/files/object?path=x")
        mine = workers()
        assert mine
    eventually("every worker is gone", lambda: not workers() & mine)


def test_of_a_sources_views_the_newest_are_kept(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubernate_hub.store.sources._VIEWS", 3)
    platform.add(FILES)
    for name in "abcde":
        (platform.folder / "team" / f"{name}.csv").write_text("n\n1\n")
        assert platform.notebook("GET", f"/files/sample?path={name}.csv").status_code == 200
    store = platform.service.inside.store
    (source,) = store.now(sources.everywhere)
    kept = [name for name in "abcde" if store.now(sources.view, source.id, f"{name}.csv") is not None]
    assert kept == ["c", "d", "e"]

"""What the Data panel asks: by the notebook's server and the gate's relay, of a real platform service and a folder."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from hubernate_hub.data.config import DataGateway
from support.jupyter_notebook import jupyter_notebook
from support.platform_service import PREFIX, eventually, running
from support.relay import relay

_SOURCES = "hubernate/api/sources"
_ROUTES = (
    ("GET", "hubernate/api/activity"),
    ("GET", "hubernate/api/sleep"),
    ("POST", "hubernate/api/keep-awake"),
    ("GET", _SOURCES),
    ("GET", f"{_SOURCES}/lake/entries"),
    ("GET", f"{_SOURCES}/lake/sample?path=a.csv"),
    ("GET", f"{_SOURCES}/lake/object?path=a.csv"),
    ("PUT", f"{_SOURCES}/inbox/object?path=b.csv"),
)


@dataclass(frozen=True)
class Team:
    """ada's team. `lake` it may read, `inbox` write; both are in `folder`. `client` is her notebook's."""

    relay: str
    folder: Path
    client: httpx.Client


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    tmp_path = tmp_path_factory.mktemp("team")
    folder = tmp_path / "shared"
    for name in ("lake", "inbox"):
        (folder / name).mkdir(parents=True)
    settings = DataGateway(folders={"shared": str(folder)}, upload_max_bytes=64 * 1024**2)
    with running(tmp_path / "state", data=settings) as service:
        ada, root = service.start("ada"), service.person("root", admin=True)
        for name, level in (("lake", "read"), ("inbox", "write")):
            place = {"kind": "files", "folder": "shared", "prefix": name}
            source = {"name": name, "place": place, "grants": {"tenant": level}}
            assert root("POST", "/tenants/physics/sources", json={"source": source}).status_code == 201
        with (
            relay(f"{service.url}{PREFIX}", ada.ticket.relay_token) as url,
            jupyter_notebook(tmp_path, HUBERNATE_RELAY=url) as client,
        ):
            yield Team(url, folder, client)


@pytest.fixture(autouse=True)
def empty(team: Team) -> None:
    for path in [each for each in team.folder.rglob("*") if each.is_file()]:
        path.unlink()
    (team.folder / "inbox/new").rmdir() if (team.folder / "inbox/new").is_dir() else None


def test_sources_are_looked_at_and_a_file_is_put_there(team: Team) -> None:
    (team.folder / "lake" / "a b=%.csv").write_text("x,y\n1,2\n")
    client = team.client
    found = client.get(_SOURCES).json()["items"]
    assert [(each["name"], each["level"]) for each in found] == [("inbox", "write"), ("lake", "read")]
    listed = client.get(f"{_SOURCES}/lake/entries", params={"limit": 1}).json()
    assert [each["path"] for each in listed["entries"]] == ["a b=%.csv"]
    sample = client.get(f"{_SOURCES}/lake/sample", params={"path": "a b=%.csv"}).json()
    assert sample["found"]["columns"] == ["x", "y"]

    content = b"0123456789abcdef" * 2**20  # 16 MiB: more than is ever held
    put = client.put(f"{_SOURCES}/inbox/object", params={"path": "new/big.bin"}, content=content)
    assert put.json()["size"] == len(content), put.text
    assert (team.folder / "inbox/new/big.bin").read_bytes() == content
    again = client.put(
        f"{_SOURCES}/inbox/object", params={"path": "new/big.bin"}, content=b"other", headers={"If-None-Match": "*"}
    )
    assert again.status_code == 409, again.text
    assert (team.folder / "inbox/new/big.bin").stat().st_size == len(content)


def test_a_shown_file_is_bounded_and_runs_nowhere(team: Team) -> None:
    (team.folder / "lake" / "page.html").write_text("<script>alert(1)</script>")
    (team.folder / "lake" / "large.bin").write_bytes(bytes(9 * 1024**2))
    client = team.client
    page = client.get(f"{_SOURCES}/lake/object", params={"path": "page.html"})
    assert (page.headers["Content-Type"], page.headers["Content-Disposition"]) == (
        "application/octet-stream",
        "attachment",
    )
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert len(client.get(f"{_SOURCES}/lake/object", params={"path": "large.bin"}).content) == 8 * 1024**2


def test_who_may_only_read_is_told_so_and_nothing_is_written(team: Team) -> None:
    client = team.client
    refused = client.put(f"{_SOURCES}/lake/object", params={"path": "b.csv"}, content=b"1")
    assert refused.status_code == 403
    assert "read" in refused.json()["detail"]
    large = client.put(f"{_SOURCES}/inbox/object", params={"path": "l.bin"}, content=bytes(70 * 1024**2))
    assert large.status_code == 413, large.text
    assert "upload_max_bytes" in large.json()["detail"]
    assert [path.name for path in team.folder.rglob("*") if path.is_file()] == []


def test_of_an_upload_that_breaks_off_nothing_is_left(team: Team) -> None:
    client = team.client
    head = f"PUT {client.base_url.raw_path.decode()}{_SOURCES}/inbox/object?path=half.bin HTTP/1.1\r\n"
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as line:
        line.sendall(f"{head}Host: localhost\r\nContent-Length: 9000000\r\n\r\n".encode() + bytes(5_000_000))
        eventually("half of it arrived", lambda: list((team.folder / "inbox").rglob("*")))
    eventually("it is gone", lambda: not list((team.folder / "inbox").rglob("*")))
    listed = client.get(f"{_SOURCES}/inbox/entries").json()
    assert listed["entries"] == []


def test_only_sources_are_reached_that_way(team: Team) -> None:
    client = team.client
    for path in ("lake/sql", "lake/rows", "..%2Fme%2Fsleep", "lake%2Fobject", "LAKE"):
        assert client.get(f"{_SOURCES}/{path}").status_code == 404, path
    assert client.delete(f"{_SOURCES}/lake/object?path=a").status_code in (403, 405)


def test_every_verb_asks_who_it_is_and_whether_they_may(
    notebook: Callable[..., httpx.Client], team: Team, tmp_path: Path
) -> None:
    (tmp_path / "denying.py").write_text(
        "from jupyter_server.auth import Authorizer\n\n\nclass Nobody(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n        return resource != 'hubernate'\n"
    )
    nobody = ("--ServerApp.authorizer_class=denying.Nobody",)
    token = ("--ServerApp.identity_provider_class=jupyter_server.auth.IdentityProvider", "--IdentityProvider.token=abc")
    for arguments in (nobody, token):
        client = notebook(*arguments, HUBERNATE_RELAY=team.relay, PYTHONPATH=str(tmp_path))
        for method, path in _ROUTES:
            answer = client.request(method, path, content=b"{}")
            assert answer.status_code == 403 or "/login" in answer.headers.get("Location", ""), (arguments, path)
    assert not [path for path in team.folder.rglob("*") if path.is_file()]

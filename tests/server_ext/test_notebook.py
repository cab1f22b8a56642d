"""A real Jupyter Server with the extension and the notebook's own configuration, spoken to as the gate does."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from hubernate_server.extension import add_hub
from hubernate_server.place import Place, read_place

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "server_ext/hubernate_server/notebook_config.py"


def test_the_notebook_serves_the_person_that_the_gate_names(notebook: Callable[..., httpx.Client]) -> None:
    client = notebook()
    visitor = client.get("api/me", headers={"X-Forwarded-User": "bob%20%D1%8F"}).json()["identity"]
    assert visitor["username"] == visitor["name"] == "bob я"
    assert client.get("api/me").json()["identity"]["username"] == "al ice", "the owner's own processes are the owner"
    # the gate owns XSRF: a post without the notebook's token is served
    made = client.post("api/contents/", json={"type": "file", "ext": ".txt"})
    assert made.status_code == 201, made.text


def test_a_terminal_is_busy_while_it_runs_something(notebook: Callable[..., httpx.Client], tmp_path: Path) -> None:
    client = notebook()
    assert client.get("hubernate/api/activity").json() == {"terminals_busy": 0, "gpu": None}
    name = client.post("api/terminals").json()["name"]
    time.sleep(1)
    assert client.get("hubernate/api/activity").json()["terminals_busy"] == 0, "a prompt is not work"
    from websockets.sync.client import connect

    base = str(client.base_url).replace("http://", "ws://")
    with connect(
        f"{base}terminals/websocket/{name}", additional_headers={"Origin": str(client.base_url)[:-1]}
    ) as socket_:
        socket_.send('["stdin", "sleep 30\\r"]')
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if client.get("hubernate/api/activity").json()["terminals_busy"] == 1:
                break
            time.sleep(0.2)
        else:
            raise AssertionError("a running command was not seen")
    client.delete(f"api/terminals/{name}")


def test_being_asked_for_activity_is_no_activity(notebook: Callable[..., httpx.Client]) -> None:
    client = notebook()
    client.get("api/contents")
    before = client.get("api/status?no_track_activity=1").json()["last_activity"]
    time.sleep(0.01)
    client.get("hubernate/api/activity")
    assert client.get("api/status?no_track_activity=1").json()["last_activity"] == before


def test_kernels_are_the_persons_and_in_a_safe_start_the_platforms(notebook: Callable[..., httpx.Client]) -> None:
    assert set(notebook().get("api/kernelspecs").json()["kernelspecs"]) == {"mine"}
    safe = set(notebook(HUBERNATE_SAFE="1").get("api/kernelspecs").json()["kernelspecs"])
    assert "mine" not in safe


def test_it_refuses_to_listen_where_no_gate_stands_before_it(notebook: Callable[..., httpx.Client]) -> None:
    with pytest.raises(AssertionError, match=r"may listen on 127\.0\.0\.1 only"):
        notebook("--ServerApp.ip=0.0.0.0")


def test_nothing_of_this_run_stays_in_the_home_folder(notebook: Callable[..., httpx.Client], tmp_path: Path) -> None:
    notebook().get("api/contents")
    kept = [path.name for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [name for name in kept if "cookie" in name or name.startswith(("jpserver", "kernel-"))], kept


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/user/alice/", Place("alice", "", "/hub/")),
        ("/user/alice/deep-net/", Place("alice", "deep-net", "/hub/")),
        ("/jupyter/user/al%40x.org/", Place("al@x.org", "", "/jupyter/hub/")),
        ("/user/user/", Place("user", "", "/hub/")),
        ("/", Place("", "", "")),
        ("/user/", Place("", "", "")),
        ("/user/a/b/c/", Place("", "", "")),
    ],
)
def test_the_place_is_read_from_the_base_path(path: str, place: Place) -> None:
    assert read_place(path) == place


def test_the_page_knows_where_the_hub_control_panel_is() -> None:
    visitor: Any = SimpleNamespace(username="bob")
    handler = SimpleNamespace(settings={"base_url": "/user/alice/two/"}, current_user=visitor)
    page = add_hub(handler, {"kept": 1})
    assert page["kept"] == 1
    assert (page["hubPrefix"], page["hubUser"], page["hubServerUser"], page["hubServerName"]) == (
        "/hub/",
        "bob",
        "alice",
        "two",
    )


class _Relay(BaseHTTPRequestHandler):
    """The gate's relay: says what it was asked, or refuses as the platform does."""

    def do_GET(self) -> None:
        self._answer(200, {"asked": self.path, "sleeps_in_s": 60})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["minutes"] > 60:
            self._answer(422, {"detail": "minutes: between 0 and 60"})
        else:
            self._answer(200, {"asked": self.path, "body": body, "type": self.headers["Content-Type"]})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_jupyterlab_asks_the_platform_about_sleep_by_the_relay(notebook: Callable[..., httpx.Client]) -> None:
    relay = HTTPServer(("127.0.0.1", 0), _Relay)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    client = notebook(HUBERNATE_RELAY=f"http://127.0.0.1:{relay.server_port}")
    assert client.get("hubernate/api/sleep").json() == {"asked": "/api/v1/relay/me/sleep", "sleeps_in_s": 60}
    kept = client.post("hubernate/api/keep-awake", json={"minutes": 60})
    assert kept.json() == {
        "asked": "/api/v1/relay/me/keep-awake",
        "body": {"minutes": 60},
        "type": "application/json",
    }
    refused = client.post("hubernate/api/keep-awake", json={"minutes": 61})
    assert (refused.status_code, refused.json()["detail"]) == (422, "minutes: between 0 and 60")
    relay.shutdown()
    relay.server_close()
    away = client.get("hubernate/api/sleep")
    assert (away.status_code, away.json()["message"]) == (503, "the platform does not answer; your work goes on")

"""Signing in, admins and the client of the hub's API against a real JupyterHub; only its proxy is a stand-in."""

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from hubernate_core.errors import NotFound
from hubernate_hub.hub_client import Hub
from support.fake_hub import SERVICE_TOKEN
from support.platform_service import PREFIX, Running, running

CONFIG = """
c = get_config()
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.hub_connect_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = "only-a-test-0123456789"
c.SharedPasswordAuthenticator.admin_password = "only-a-test-for-admins-0123456789-0123456789"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"root"}}
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.oauth_require_pkce = True
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = "x"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.JupyterHub.services = [{{"name": "hubernate", "url": "{url}", "api_token": "{token}", "oauth_no_confirm": True}}]
c.JupyterHub.load_roles = [
    {{"name": "hubernate-service", "services": ["hubernate"], "scopes": {scopes}}},
    {{"name": "user", "scopes": ["self", "access:services!service=hubernate"]}},
]
"""
SCOPES = ["list:users", "read:users", "read:hub", "servers"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Proxy(http.server.BaseHTTPRequestHandler):
    """The proxy's API: it takes every route and forgets it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(201)
        self.end_headers()

    do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        return


@dataclass
class Both:
    """A real hub and our service."""

    hub: str
    service: Running

    def sign_in(self, name: str) -> httpx.Client:
        """A browser that signed in at the hub and then here. Cookies do not know ports, so the origin is one host."""
        browser = httpx.Client(timeout=20)
        browser.get(f"{self.hub}/hub/login")
        password = "only-a-test-for-admins-0123456789-0123456789" if name == "root" else "only-a-test-0123456789"
        form = {"username": name, "password": password, "_xsrf": browser.cookies.get("_xsrf", path="/hub/")}
        assert browser.post(f"{self.hub}/hub/login", data=form).status_code == 302
        where = f"{self.service.url}{PREFIX}/"
        for _ in range(6):
            answer = browser.get(where, headers={"accept": "text/html"})
            if answer.status_code != 302:
                break
            there = answer.headers["location"]
            if there.startswith("/"):
                there = (self.hub if there.startswith("/hub/") else self.service.url) + there
            where = there
        assert answer.status_code == 200, answer.text
        return browser


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("hub")
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    port = free_port()
    with running(folder, hub_api_url=f"http://127.0.0.1:{port}/hub/api") as service:
        values = {"folder": folder, "port": port, "proxy": proxy.server_port, "token": SERVICE_TOKEN, "scopes": SCOPES}
        (folder / "config.py").write_text(CONFIG.format(url=service.url, **values))
        command = [sys.executable, "-m", "jupyterhub", "-f", str(folder / "config.py")]
        with (folder / "log").open("wb") as log:
            hub = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}/hub/api", hub, folder)
            yield Both(f"http://127.0.0.1:{port}", service)
        finally:
            hub.terminate()
            hub.wait(30)
            proxy.shutdown()


def _wait(url: str, hub: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError((folder / "log").read_text()[-3000:])


def test_people_sign_in_and_admins_are_known(both: Both) -> None:
    with closing(both.sign_in("ada")) as ada, closing(both.sign_in("root")) as root:
        url = f"{both.service.url}{PREFIX}"
        assert ada.get(f"{url}/api/v1/me").json() == {"name": "ada", "admin": False}
        assert root.get(f"{url}/api/v1/me").json() == {"name": "root", "admin": True}
        assert ada.get(f"{url}/admin").status_code == 403
        assert "hbn-agents" in root.get(f"{url}/admin").text


def test_signing_out_at_the_hub_signs_out_here(both: Both) -> None:
    with closing(both.sign_in("ada")) as ada:
        ada.get(f"{both.hub}/hub/logout", follow_redirects=True)
        assert ada.get(f"{both.service.url}{PREFIX}/api/v1/me").status_code == 401


def test_a_persons_own_token_works(both: Both) -> None:
    with closing(both.sign_in("ada")) as ada:
        xsrf = ada.cookies.get("_xsrf", path="/hub/")
        headers = {"X-XSRFToken": xsrf or "", "Referer": f"{both.hub}/hub/token"}
        made = ada.post(f"{both.hub}/hub/api/users/ada/tokens", content=json.dumps({"note": "t"}), headers=headers)
        assert made.status_code == 201, made.text
    assert both.service.ask("GET", "/api/v1/me", made.json()["token"]).json()["name"] == "ada"


async def test_the_clients_calls_mean_what_we_think(both: Both) -> None:
    both.sign_in("ada").close()
    hub = Hub(f"{both.hub}/hub/api", SERVICE_TOKEN)
    try:
        ada = await hub.person("ada")
        assert ada is not None and not ada.admin
        assert await hub.person("nobody") is None
        assert "ada" not in await hub.active()
        assert (await hub.authenticator()).endswith("SharedPasswordAuthenticator")
        await hub.stop_server("ada", "")
        await hub.stop_server("nobody", "")
        with pytest.raises(NotFound):
            await hub.start_server("nobody", "")
    finally:
        await hub.close()

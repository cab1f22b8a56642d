"""The gate between the real things: JupyterHub that requires PKCE, its proxy, Jupyter Server, a kernel."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.proxy import free_port, running_proxy, wait_for_port

TESTS = Path(__file__).resolve().parents[1]
CONFIG = """
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.spawner_class = "support.gate_spawner.GateSpawner"
c.JupyterHub.oauth_require_pkce = True
c.JupyterHub.cleanup_servers = True
c.Spawner.server_token_scopes = ["users:activity!user"]
c.Spawner.http_timeout = 120
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allow_all = True
c.JupyterHub.load_roles = [
    {{"name": "test", "scopes": ["admin:users", "admin:servers", "tokens"], "services": ["test"]}}
]
c.JupyterHub.services = [{{"name": "test", "api_token": "{api_token}"}}]
"""


@dataclass(frozen=True)
class Site:
    """A running hub behind its proxy."""

    origin: str
    password: str
    api_token: str

    async def api(self, method: str, path: str, **body: Any) -> Any:
        """One call of the hub's REST API as its admin."""
        headers = {"Authorization": f"token {self.api_token}"}
        url = f"{self.origin}/hub/api{path}"
        async with aiohttp.request(method, url, headers=headers, **body) as answer:
            text = await answer.text()
            assert answer.status < 400, (answer.status, text)
            return json.loads(text) if text else None

    async def start(self, name: str) -> None:
        """Start that person's server and wait until the hub says it is ready."""
        if name not in [user["name"] for user in await self.api("GET", "/users")]:
            await self.api("POST", f"/users/{name}")
        if not (await self.api("GET", f"/users/{name}"))["servers"]:
            await self.api("POST", f"/users/{name}/server")
        async with asyncio.timeout(150):
            while not (await self.api("GET", f"/users/{name}"))["servers"].get("", {}).get("ready"):  # noqa: ASYNC110
                await asyncio.sleep(0.3)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hub")
    hub_port = free_port()
    password, api_token = secrets.token_hex(16), secrets.token_hex(16)
    with running_proxy(f"http://127.0.0.1:{hub_port}", folder / "proxy.log") as proxy:
        values = {"hub_port": hub_port, "port": proxy.port, "api_port": proxy.api_port}
        text = CONFIG.format(**values, password=password, api_token=api_token)
        (folder / "config.py").write_text(text)
        env = os.environ | {"CONFIGPROXY_AUTH_TOKEN": proxy.token, "PYTHONPATH": str(TESTS)}
        log = folder / "hub.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "jupyterhub", "-f", "config.py"]
            hub = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output)
        try:
            wait_for_port(hub_port, log)
            yield Site(f"http://127.0.0.1:{proxy.port}", password, api_token)
        finally:
            hub.terminate()
            hub.wait(30)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def login(site: Site, http: aiohttp.ClientSession, name: str) -> None:
    """Log in at the hub's own form; Ada's server runs by then."""
    await site.start("ada")
    async with http.get(f"{site.origin}/hub/login") as page:
        assert page.status == 200
    form = {"username": name, "password": site.password, "_xsrf": cookie(http, site, "/hub/")}
    async with http.post(f"{site.origin}/hub/login", data=form, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()


def cookie(http: aiohttp.ClientSession, site: Site, path: str) -> str:
    """The ``_xsrf`` cookie of one path."""
    return next(each.value for each in http.cookie_jar if each.key == "_xsrf" and each["path"] == path)


async def run(http: aiohttp.ClientSession, site: Site, kernel: str, code: str) -> str:
    """What `code` printed, through the kernel's WebSocket."""
    url = f"{site.origin}/user/ada/api/kernels/{kernel}/channels"
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": "s",
        "username": "",
        "version": "5.3",
    }
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell", "content": {"code": code}}
    async with http.ws_connect(url, origin=site.origin) as socket, asyncio.timeout(60):
        await socket.send_json(message)
        printed = ""
        async for frame in socket:
            told = json.loads(frame.data)
            if told["parent_header"].get("msg_id") == header["msg_id"]:
                if told["msg_type"] == "stream":
                    printed += told["content"]["text"]
                if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                    break
        return printed


async def test_log_in_run_code_be_revoked(site: Site, http: aiohttp.ClientSession) -> None:
    await login(site, http, "ada")
    async with http.get(f"{site.origin}/user/ada/api/status") as unknown:
        assert unknown.status == 401, "the hub's login alone is not the gate's"
    async with http.get(f"{site.origin}/user/ada/tree", headers={"Accept": "text/html"}) as page:
        assert page.url.path.startswith("/user/ada/") and page.history, await page.text()
    async with http.get(f"{site.origin}/user/ada/api/status") as status:
        assert status.status == 200

    kernels = f"{site.origin}/user/ada/api/kernels"
    async with http.post(kernels) as refused:
        assert refused.status == 403
    async with http.post(kernels, headers={"X-XSRFToken": cookie(http, site, "/user/ada/")}) as made:
        assert made.status == 201, await made.text()
        kernel = (await made.json())["id"]
    assert await run(http, site, kernel, "print(6 * 7)") == "42\n"

    before = (await site.api("GET", "/users/ada"))["servers"][""]["last_activity"]
    await run(http, site, kernel, "import time; time.sleep(3)")
    await asyncio.sleep(1.5)
    assert (await site.api("GET", "/users/ada"))["servers"][""]["last_activity"] > before

    revoked_tokens = 0
    for token in (await site.api("GET", "/users/ada/tokens"))["api_tokens"]:
        if "Server at" in str(token.get("oauth_client")):
            revoked_tokens += 1
            await site.api("DELETE", f"/users/ada/tokens/{token['id']}")
    assert revoked_tokens == 1
    await asyncio.sleep(2.5)
    async with http.get(f"{site.origin}/user/ada/api/status") as revoked:
        assert revoked.status == 401


async def test_a_foreign_person_is_stopped_by_the_hub(site: Site, http: aiohttp.ClientSession) -> None:
    await login(site, http, "eve")
    async with http.get(f"{site.origin}/user/ada/tree", headers={"Accept": "text/html"}) as page:
        assert page.status == 403 and "/oauth2/authorize" in page.url.path
    own = (await site.api("POST", "/users/eve/tokens", json={"note": "own"}))["token"]
    async with http.get(f"{site.origin}/user/ada/api/status", headers={"Authorization": f"token {own}"}) as answer:
        assert answer.status == 403


async def test_logging_out_at_the_hub_ends_the_notebooks_login(site: Site, http: aiohttp.ClientSession) -> None:
    await login(site, http, "ada")
    async with http.get(f"{site.origin}/user/ada/tree", headers={"Accept": "text/html"}) as page:
        assert page.url.path.startswith("/user/ada/"), await page.text()
    async with http.get(f"{site.origin}/hub/logout") as left:
        assert left.status == 200
    async with http.get(f"{site.origin}/user/ada/api/status") as answer:
        assert answer.status == 401, "at once, not after the time of revalidation"

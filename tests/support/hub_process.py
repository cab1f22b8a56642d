"""A real hub with the project's configuration, and configurable-http-proxy, for the spawner's tests."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from support.fake_service import Installed
from support.stand_in import free_port

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config/jupyterhub_config.py"
USER_PASSWORD = "correct horse battery"
ADMIN_PASSWORD = "a-long-password-for-the-admin-only-0123"


def proxy_command(folder: Path) -> list[str]:
    """How configurable-http-proxy is started: the clone's own one, or one installed into `folder` with npm."""
    beside = Path(sys.executable).parent
    script = "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    own = ROOT / ".tools/proxy" / script
    if not own.exists():
        own = folder / script
        if not own.exists():
            install = [str(beside / "npm"), "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
            subprocess.run([*install, "configurable-http-proxy@5"], check=True, capture_output=True, timeout=300)
    return [str(beside / "node"), str(own)]


class HubProcess:
    """One hub with a state folder of its own. `installed` plays the platform service."""

    def __init__(
        self,
        folder: Path,
        installed: Any,
        config: Path = CONFIG,
        users: Sequence[str] = ("ada", "linus"),
        *,
        port: int = 0,
    ) -> None:
        self.state, self.config, self.users = folder, config, users
        self.ports = {name: free_port() for name in ("public", "proxy_api", "hub", "service", "registry")}
        self.ports["hub"] = port or self.ports["hub"]
        # The spawner speaks to the scripted service; its port is the one that platform.json names.
        self.ports["service"] = int(installed.service.url.split(":")[2].split("/")[0])
        self.url = f"http://127.0.0.1:{self.ports['public']}"
        self._write_state(installed)
        self._running: list[subprocess.Popen[bytes]] = []
        self.hub: subprocess.Popen[bytes] | None = None

    def _write_state(self, installed: Installed) -> None:
        for name in ("secrets", "hub"):
            (self.state / name).mkdir(mode=0o700)
        for name in ("hub-cookie", "hub-crypt-key", "proxy-token", "service-token"):
            self._private(f"secrets/{name}", secrets.token_hex(32))
        self._private("secrets/spawner-token", installed.service.token)
        platform = {
            "instance": installed.instance,
            "node": "local",
            "bridge_address": "127.0.0.1",
            "public_url": self.url,
            "ports": self.ports,
            "images": {"gate": installed.images.gate},
        }
        (self.state / "platform.json").write_text(json.dumps(platform))
        accounts = {
            "user_password": USER_PASSWORD,
            "admin_password": ADMIN_PASSWORD,
            "admin": "admin",
            "users": {user: ["research"] for user in self.users},
        }
        self._private("accounts.json", json.dumps(accounts))

    def _private(self, name: str, text: str) -> None:
        (self.state / name).write_text(text)
        (self.state / name).chmod(0o600)

    def use_oauth(self, options: dict[str, object]) -> None:
        """Have people log in by an identity provider from the next start of the hub."""
        self._private("oauth.json", json.dumps(options))

    def start_proxy(self, command: list[str]) -> None:
        """Start the proxy; it outlives restarts of the hub."""
        arguments = ["--ip", "127.0.0.1", "--port", str(self.ports["public"])]
        arguments += ["--api-ip", "127.0.0.1", "--api-port", str(self.ports["proxy_api"])]
        arguments += ["--default-target", f"http://127.0.0.1:{self.ports['hub']}"]
        token = (self.state / "secrets/proxy-token").read_text()
        self._proxy = self._spawn("proxy", [*command, *arguments], {"CONFIGPROXY_AUTH_TOKEN": token})

    def end_proxy(self) -> None:
        """Kill the proxy, and with it every route."""
        os.killpg(self._proxy.pid, signal.SIGKILL)
        self._proxy.wait(10)

    def start_hub(self) -> None:
        """Start the hub and wait until it answers."""
        self.hub = self._spawn("hub", [sys.executable, "-m", "jupyterhub", "-f", str(self.config)], {})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/hub/api", timeout=5).status_code == 200:
                    return
            if self.hub.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"the hub did not start:\n{self.log()[-3000:]}")

    def end_hub(self, number: signal.Signals) -> None:
        """End the hub with that signal and wait until it is gone."""
        assert self.hub is not None
        self.hub.send_signal(number)
        self.hub.wait(30)

    def log(self) -> str:
        """What the hub printed."""
        return (self.state / "hub.log").read_text()

    def login(self, name: str, password: str = USER_PASSWORD) -> httpx.Client:
        """A browser that tried to log in; ``.name`` of the person by ``/hub/api/user``."""
        browser = httpx.Client(base_url=self.url, timeout=30, follow_redirects=False)
        browser.get("/hub/login")
        browser.post("/hub/login", data={"username": name, "password": password, "_xsrf": self.xsrf(browser)})
        browser.get("/hub/home")
        return browser

    def xsrf(self, browser: httpx.Client) -> str:
        """The newest XSRF token of the hub's pages."""
        return [each.value or "" for each in browser.cookies.jar if each.name == "_xsrf" and each.path == "/hub/"][-1]

    def ask(self, browser: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        """One call of the hub's API as the page's scripts make it."""
        headers = {"X-XSRFToken": self.xsrf(browser), "Referer": f"{self.url}/hub/home"}
        return browser.request(method, f"/hub/api/{path}", headers=headers, **options)

    def server(self, browser: httpx.Client, name: str = "ada") -> dict[str, Any]:
        """The hub's model of the person's default server; empty if there is none."""
        servers = self.ask(browser, "GET", f"users/{name}").json()["servers"]
        return dict(servers.get("", {}))

    def close(self) -> None:
        """End everything that was started here."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the proxy's launcher has the proxy itself as a child
            process.wait(10)

    def _spawn(self, name: str, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.state / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, "HUBERNATE_STATE": str(self.state), **env},
                cwd=self.state,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process


@contextlib.contextmanager
def running_hub(folder: Path, installed: Installed, proxy: list[str]) -> Iterator[HubProcess]:
    """A hub and a proxy in `folder`, ended afterwards."""
    process = HubProcess(folder, installed)
    try:
        process.start_proxy(proxy)
        process.start_hub()
        yield process
    finally:
        process.close()


def wait_for(what: str, check: Any, timeout_s: float = 30) -> Any:
    """The first true answer of `check`."""
    deadline, answer = time.monotonic() + timeout_s, None
    while time.monotonic() < deadline:
        answer = check()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s; last seen {answer!r}")

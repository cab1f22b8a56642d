"""A real JupyterHub whose servers are nothing (`support.noop_spawner`), and a real platform service, as processes that
can be killed. Its proxy, and what answers for every server, are stand-ins in this process."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from support.fake_hub import SERVICE_TOKEN, FakeHub
from support.platform_service import PREFIX, Running, write_state
from support.stand_in import free_port

TESTS = Path(__file__).resolve().parents[1]
HUB = """
c = get_config()
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = "http://127.0.0.1:{port}"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = "only-a-test-0123456789"
c.Authenticator.allowed_users = set({users!r})
c.JupyterHub.load_groups = {groups!r}
c.JupyterHub.spawner_class = "support.noop_spawner.{spawner}"
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.cleanup_servers = False
c.JupyterHub.log_level = "WARN"
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
c.{spawner}.answers = "http://127.0.0.1:{answers}"
c.Spawner.poll_interval = 0
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = "x"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{answers}"
c.JupyterHub.services = [{{"name": "hubernate", "url": "http://127.0.0.1:{service}", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{
    "name": "hubernate-service", "services": ["hubernate"], "scopes": ["list:users", "read:users", "servers"],
}}]
"""
ADMITTED = """
c.AdmittedSpawner.service_url = "http://127.0.0.1:{service}{prefix}"
c.AdmittedSpawner.service_token_file = "{state}/secrets/spawner-token"
"""
SERVICE = """
c = get_config()
c.HubernateService.state_dir = {state!r}
c.HubernateService.port = {service}
c.HubernateService.hub_api_url = "http://127.0.0.1:{port}/hub/api"
c.HubernateService.hub_grace_s = 600
{more}
"""


class _Answers(http.server.BaseHTTPRequestHandler):
    """The proxy's API and every server: all is well."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(201 if self.command == "POST" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        return


@dataclass
class NoopHub:
    """A hub for `users`, all in the group physics if `grouped`, with our service or without."""

    folder: Path
    users: Sequence[str]
    admitted: bool = True
    grouped: bool = True
    more: str = ""
    """Further lines of the service's configuration."""
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("port", "service")})
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._answers = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        self._answers.daemon_threads = True
        threading.Thread(target=self._answers.serve_forever, daemon=True).start()
        self.service = Running(f"http://127.0.0.1:{self.ports['service']}", self.folder, FakeHub())
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['port']}/hub/api",
            headers={"Authorization": f"token {SERVICE_TOKEN}"},
            timeout=30,
            trust_env=False,
        )
        values = {"folder": str(self.folder), "state": str(self.folder), "token": SERVICE_TOKEN, "prefix": PREFIX}
        values |= {"users": list(self.users), "groups": {"physics": list(self.users)} if self.grouped else {}}
        values |= {"spawner": "AdmittedSpawner" if self.admitted else "PlainSpawner", "more": self.more}
        values |= self.ports | {"answers": self._answers.server_port}
        hub = HUB + (ADMITTED if self.admitted else "")
        (self.folder / "hub.py").write_text(hub.format(**values))
        (self.folder / "service.py").write_text(SERVICE.format(**values))

    def start_service(self) -> None:
        """Start the platform service on the state that is in `folder`."""
        self._spawn("service", "-m", "hubernate_hub.app", "--config", str(self.folder / "service.py"))
        self._wait("service", f"{self.service.url}{PREFIX}/api/v1/openapi.json")

    def start_hub(self) -> None:
        """Start the hub."""
        self._spawn("hub", "-m", "jupyterhub", "-f", str(self.folder / "hub.py"))
        self._wait("hub", f"http://127.0.0.1:{self.ports['port']}/hub/api")

    def kill(self, what: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End ``hub`` or ``service`` with that signal, and wait until it is gone."""
        self._running[what].send_signal(number)
        self._running.pop(what).wait(30)

    def pending(self, user: str) -> str | None:
        """What the hub does with the person's server: ``spawn``, ``stop`` or nothing."""
        server = self.api.get(f"users/{user}").json()["servers"].get("")
        return None if server is None else server["pending"]

    def cpu_s(self, what: str) -> float:
        """CPU time that ``hub`` or ``service`` has used, seconds."""
        times = psutil.Process(self._running[what].pid).cpu_times()
        return float(times.user + times.system)

    def ready(self, user: str) -> bool:
        """Whether it runs."""
        return bool(self.api.get(f"users/{user}").json()["servers"].get("", {}).get("ready"))

    def close(self) -> None:
        """End everything."""
        for what in list(self._running):
            self.kill(what)
        self.api.close()
        self._answers.shutdown()
        self._answers.server_close()

    def log(self, what: str) -> str:
        """What ``hub`` or ``service`` printed."""
        return (self.folder / f"{what}.log").read_text()

    def _spawn(self, what: str, *arguments: str) -> None:
        with (self.folder / f"{what}.log").open("ab") as log:
            self._running[what] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(TESTS)},
                stdout=log,
                stderr=log,
            )

    def _wait(self, what: str, url: str) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self._running[what].poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                    return
            time.sleep(0.2)
        raise AssertionError(f"{what} did not start:\n{self.log(what)[-3000:]}")


@contextlib.contextmanager
def noop_hub(
    folder: Path, users: Sequence[str], *, tenants: list[dict[str, object]], more: str = ""
) -> Iterator[NoopHub]:
    """Hub and service, running."""
    write_state(folder, tenants=tenants)
    hub = NoopHub(folder, users, more=more)
    try:
        hub.start_service()
        hub.start_hub()
        yield hub
    finally:
        hub.close()

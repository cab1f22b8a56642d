"""A person at the platform: logs in by the page, starts and stops servers, runs code in a kernel through the gate."""

import json
import time
import uuid
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx
from websockets.sync.client import ClientConnection, connect


@dataclass
class Person:
    """A logged-in person with an API token of their own, at one of their servers (default: the unnamed one)."""

    url: str
    name: str
    token: str
    server_name: str = ""

    def at(self, server_name: str) -> Self:
        """The same person at another server of theirs."""
        return replace(self, server_name=server_name)

    @classmethod
    def login(cls, url: str, name: str, password: str) -> Self:
        """Log in with the form, as a browser does, and ask for a token."""
        with httpx.Client(base_url=url, timeout=30) as browser:
            browser.get("/hub/login", follow_redirects=True)
            xsrf = browser.cookies.get("_xsrf", path="/hub/")
            answer = browser.post("/hub/login", data={"username": name, "password": password, "_xsrf": xsrf or ""})
            assert answer.status_code == 302, f"login of {name}: {answer.status_code} {answer.text[:300]}"
            return cls._with_token(url, name, browser)

    @classmethod
    def sign_on(cls, url: str, name: str) -> Self:
        """As `login`, by the identity provider, at which `name` sits signed in."""
        with httpx.Client(base_url=url, timeout=60) as browser:
            landed = browser.get("/hub/oauth_login", params={"next": "/hub/home"}, follow_redirects=True)
            assert landed.url.path == "/hub/home", f"sign-on of {name}: {landed.url} {landed.text[:300]}"
            return cls._with_token(url, name, browser)

    @classmethod
    def _with_token(cls, url: str, name: str, browser: httpx.Client) -> Self:
        browser.get("/hub/home")
        xsrf = browser.cookies.get("_xsrf", path="/hub/")
        made = browser.post(
            f"/hub/api/users/{name}/tokens",
            json={"note": "test"},
            headers={"X-XSRFToken": xsrf or "", "Referer": f"{url}/hub/token"},
        )
        assert made.status_code == 201, f"token for {name}: {made.status_code} {made.text[:300]}"
        return cls(url, name, made.json()["token"])

    def ask(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One request with the token; `path` is absolute on the platform."""
        headers = {"Authorization": f"token {self.token}"} | kwargs.pop("headers", {})
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=kwargs.pop("timeout", 60), **kwargs)

    # the hub

    @property
    def server_path(self) -> str:
        """The server in the hub's API."""
        tail = f"servers/{self.server_name}" if self.server_name else "server"
        return f"/hub/api/users/{self.name}/{tail}"

    def server(self) -> dict[str, Any] | None:
        """The hub's model of the server, or None when it is not there."""
        user = self.ask("GET", f"/hub/api/users/{self.name}?include_stopped_servers").json()
        found: dict[str, Any] | None = user["servers"].get(self.server_name)
        return found

    def start(self, *, wait_s: float = 120, **options: Any) -> None:
        """Start the server with `options` and wait until the hub says ready."""
        answer = self.ask("POST", self.server_path, json=options)
        assert answer.status_code in (201, 202), f"start: {answer.status_code} {answer.text[:500]}"
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            server = self.server()
            if server and server["ready"]:
                return
            if not server or not server["pending"]:
                break
            time.sleep(0.3)
        raise AssertionError(f"server of {self.name} is not ready: {self.server()}")

    def stop(self, *, wait_s: float = 120) -> None:
        """Stop as the button does and wait until the hub says stopped."""
        answer = self.ask("DELETE", self.server_path)
        assert answer.status_code in (202, 204), f"stop: {answer.status_code} {answer.text[:500]}"
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            server = self.server()
            if not server or (not server["ready"] and not server["pending"]):
                return
            time.sleep(0.3)
        raise AssertionError(f"server of {self.name} does not stop: {self.server()}")

    def at_rest(self) -> Self:
        """The same person, with the server stopped if an earlier test of the shared platform left it running."""
        if (self.server() or {}).get("ready"):
            self.stop()
        return self

    def told(self) -> str:
        """What the start that is under way has told so far, a line each."""
        lines: list[str] = []
        limits = httpx.Timeout(30, read=2)
        headers = {"Authorization": f"token {self.token}"}
        try:
            path = f"{self.url}{self.server_path}/progress"
            with httpx.stream("GET", path, headers=headers, timeout=limits) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        lines.append(json.loads(line[5:])["message"])
        except httpx.ReadTimeout:
            pass  # it says nothing more for now
        return "\n".join(lines)

    # the platform service

    def api(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One request to the platform service's API."""
        return self.ask(method, f"/services/hubernate/api/v1{path}", **kwargs)

    def platform_server(self) -> dict[str, Any]:
        """The platform's model of the server."""
        servers = self.api("GET", "/servers").json()
        listed = servers["items"] if isinstance(servers, dict) else servers
        found: dict[str, Any] = next(
            each for each in listed if each["user"] == self.name and each["name"] == self.server_name
        )
        return found

    def checkpoints(self) -> list[dict[str, Any]]:
        """Checkpoints of the server, newest first."""
        answer = self.api("GET", f"/servers/{self.platform_server()['id']}/checkpoints").json()
        listed: list[dict[str, Any]] = answer["items"] if isinstance(answer, dict) else answer
        return listed

    def save(self, name: str = "", *, wait_s: float = 120) -> dict[str, Any]:
        """Save without stopping; the finished operation."""
        answer = self.api(
            "POST", f"/servers/{self.platform_server()['id']}/operations", json={"kind": "save", "name": name}
        )
        assert answer.status_code in (200, 201, 202), f"save: {answer.status_code} {answer.text[:500]}"
        return self.finished(answer.json()["id"], wait_s=wait_s)

    def finished(self, operation_id: str, *, wait_s: float = 120) -> dict[str, Any]:
        """The operation once nothing more happens to it."""
        deadline = time.monotonic() + wait_s
        operation: dict[str, Any] = {}
        while time.monotonic() < deadline:
            operation = self.api("GET", f"/operations/{operation_id}").json()
            if operation["step"] in ("released", "failed"):
                return operation
            time.sleep(0.2)
        raise AssertionError(f"operation is still open: {operation}")

    # the notebook, through the gate

    def notebook(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One request to the notebook, `path` below its base."""
        return self.ask(method, f"{self.base_path}{path}", **kwargs)

    @property
    def base_path(self) -> str:
        """Where the notebook is on the platform."""
        return f"/user/{self.name}/{self.server_name}/" if self.server_name else f"/user/{self.name}/"

    def run(self, code: str, *, timeout_s: float = 300) -> str:
        """What `code` prints in a fresh kernel of the user's environment; AssertionError when it raises."""
        kernel = self.notebook("POST", "api/kernels", json={"name": "python3"}).json()
        try:
            return self._execute(kernel["id"], code, timeout_s)
        finally:
            self.notebook("DELETE", f"api/kernels/{kernel['id']}")

    def shell(self, command: str, *, timeout_s: float = 300) -> str:
        """Run a shell command in the notebook container and return its output; AssertionError on a non-zero exit."""
        return self.run(
            "import subprocess\n"
            f"done = subprocess.run({command!r}, shell=True, text=True, stdout=-1, stderr=subprocess.STDOUT)\n"
            "print(done.stdout, end='')\n"
            "assert done.returncode == 0, done.returncode\n",
            timeout_s=timeout_s,
        )

    def leave_running(self, code: str) -> None:
        """Begin `code` in a kernel and go away, as a person who closes the browser."""
        kernel = self.notebook("POST", "api/kernels", json={"name": "python3"}).json()
        message_id, request = _execute_request(code)
        with self._channels(kernel["id"]) as socket:
            socket.send(request)
            while json.loads(socket.recv(timeout=60))["parent_header"].get("msg_id") != message_id:
                continue

    def _channels(self, kernel_id: str) -> ClientConnection:
        address = f"{self.url.replace('http', 'ws', 1)}{self.base_path}api/kernels/{kernel_id}/channels"
        login = {"Authorization": f"token {self.token}"}
        return connect(address, additional_headers=login, max_size=None, open_timeout=60)

    def _execute(self, kernel_id: str, code: str, timeout_s: float) -> str:
        message_id, request = _execute_request(code)
        printed: list[str] = []
        # The reply comes by another way than what is printed and may overtake it; "idle" comes by the same.
        awaited = {"execute_reply", "idle"}
        deadline = time.monotonic() + timeout_s
        with self._channels(kernel_id) as socket:
            socket.send(request)
            while time.monotonic() < deadline:
                answer = json.loads(socket.recv(timeout=max(0.1, deadline - time.monotonic())))
                if answer["parent_header"].get("msg_id") != message_id:
                    continue
                kind, body = answer["msg_type"], answer["content"]
                if kind == "stream":
                    printed.append(body["text"])
                elif kind == "error":
                    raise AssertionError("".join(printed) + "\n".join(body["traceback"]))
                awaited.discard(str(body.get("execution_state", kind)))
                if not awaited:
                    return "".join(printed)
        raise AssertionError(f"no reply within {timeout_s} s; printed so far: {''.join(printed)}")


def _execute_request(code: str) -> tuple[str, str]:
    """Id and text of a message that runs `code`."""
    message_id = uuid.uuid4().hex
    header = {
        "msg_id": message_id,
        "msg_type": "execute_request",
        "session": uuid.uuid4().hex,
        "username": "",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    return message_id, json.dumps(request)

"""A small OAuth 2 provider: authorize (whoever `person` is agrees at once), token with PKCE, userinfo with groups."""

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "hubernate-hub", "client-secret-of-the-tests"


@dataclass
class IdentityProvider:
    """One at `url`. `people` maps names to groups; `person` is who sits at the browser."""

    people: dict[str, list[str]]
    person: str = ""
    calls: list[str] = field(default_factory=list)
    _codes: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                if parts.path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider._authorize(query))
                    self.end_headers()
                else:
                    self._answer(*provider._userinfo(self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                basic = self.headers.get("Authorization", "")
                self._answer(*provider._token({key: each[0] for key, each in parse_qs(body).items()}, basic))

            def _answer(self, status: int, model: dict[str, object]) -> None:
                content = json.dumps(model).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def options(self, **more: object) -> dict[str, object]:
        """``oauth.json`` of a hub that uses it."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authorize_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token",
            "userdata_url": f"{self.url}/userinfo",
            "username_claim": "preferred_username",
            "auth_state_groups_key": "oauth_user.groups",
            "scope": ["openid", "profile", "groups"],
            "allow_all": True,
            **more,
        }

    def _authorize(self, query: dict[str, str]) -> str:
        self.calls.append("authorize")
        code = secrets.token_hex(8)
        self._codes[code] = (self.person, query.get("code_challenge", ""), query["redirect_uri"])
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _token(self, form: dict[str, str], basic: str) -> tuple[int, dict[str, object]]:
        self.calls.append("token")
        person, challenge, redirect = self._codes.pop(form.get("code", ""), ("", "", ""))
        by_header = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode() in basic
        known = by_header or (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        if not (person and known and proven and form.get("redirect_uri") == redirect):
            return 400, {"error": "invalid_grant"}
        token = secrets.token_hex(16)
        self._tokens[token] = person
        return 200, {"access_token": token, "token_type": "Bearer", "scope": "openid profile groups"}

    def _userinfo(self, authorization: str) -> tuple[int, dict[str, object]]:
        self.calls.append("userinfo")
        person = self._tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {"error": "invalid_token"}
        return 200, {"sub": f"id-{person}", "preferred_username": person, "groups": self.people[person]}

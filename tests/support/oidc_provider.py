"""A real OpenID Connect provider as a process of its own: Canaille, which demands PKCE and has groups and passwords.

with OidcProvider(folder, {"Ada": ["research"]}) as provider:
    provider.sign_in(browser)                 # walks its pages of login and consent
    provider.tell({"Ada": []})                # what an admin of the provider would change

Run as a program it is the provider; what tests change comes by one route beside its own.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx

from support.stand_in import free_port

CLIENT_ID, CLIENT_SECRET = "hubernate-hub", "client-secret-of-the-tests"
SCOPES = ["openid", "profile", "email", "groups", "offline_access"]


@dataclass
class OidcProvider:
    """One at `url`. `people` maps names to groups; `person` is who sits at the browser, signed in at the provider."""

    folder: Path
    people: Mapping[str, Sequence[str]]
    redirect: str = ""
    person: str = ""
    port: int = field(default_factory=free_port)
    # "localhost" and not 127.0.0.1: cookies of the provider and the hub stay apart.
    host: str = "localhost"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        environment = os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
        with (self.folder / "provider.log").open("wb") as log:
            command = [sys.executable, __file__, self.host, str(self.port)]
            self._process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/.well-known/openid-configuration").status_code == 200:
                    self.tell(self.people)
                    return self
            time.sleep(0.1)
        self._process.kill()
        raise AssertionError((self.folder / "provider.log").read_text()[-3000:])

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def tell(self, people: Mapping[str, Sequence[str]], *, end_tokens: bool = False) -> None:
        """Make these people's groups so; with `end_tokens` every token is void, as after its time."""
        body = {"people": people, "person": self.person, "end_tokens": end_tokens}
        httpx.put(f"{self.url}/-/tests", json=body, timeout=200).raise_for_status()

    def pause(self) -> None:
        """Let it answer nobody, until `resume`."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def sits(self, person: str) -> None:
        """Somebody else sits down at the browser."""
        self.person = person
        self.tell({})

    def options(self, **more: object) -> dict[str, object]:
        """``oauth.json`` of a hub that uses it."""
        known = httpx.get(f"{self.url}/.well-known/openid-configuration").json()
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authorize_url": known["authorization_endpoint"],
            "token_url": known["token_endpoint"],
            "userdata_url": known["userinfo_endpoint"],
            "username_claim": "sub",
            "auth_state_groups_key": "oauth_user.groups",
            "scope": SCOPES,
            "allow_all": True,
            **more,
        }


def _serve(host: str, port: int) -> None:
    """The provider with one client, people from `tell`, and whoever `sits` there signed in."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    import canaille.oidc.provider
    from authlib.common.security import generate_token
    from canaille import create_app
    from canaille.app import models
    from canaille.app.session import UserSession
    from canaille.backends import Backend
    from flask import g, request
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    config: dict[str, Any] = {
        "TESTING": True,
        "SECRET_KEY": os.urandom(16).hex(),
        "WTF_CSRF_ENABLED": False,
        "PREFERRED_URL_SCHEME": "http",
        "SERVER_NAME": f"{host}:{port}",
        "CANAILLE": {
            "DATABASE": "memory",
            "JAVASCRIPT": False,
            "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"], "READ": ["user_name", "groups"], "WRITE": []}},
        },
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)], "REQUIRE_NONCE": False},
    }
    # It takes seconds to gather ten thousand groups, three times per login: once will do, until somebody's change.
    gather, gathered = canaille.oidc.provider.generate_user_claims, dict[str, dict[str, Any]]()

    def claims(user: Any, *more: Any) -> dict[str, Any]:
        if user.user_name not in gathered:
            gathered[user.user_name] = gather(user, *more)
        return dict(gathered[user.user_name])

    canaille.oidc.provider.generate_user_claims = claims
    # Opaque access tokens: its own hold every group, and a header has room for a few hundred.
    canaille.oidc.provider.generate_access_token = lambda **_: generate_token(48)
    app = create_app(config=config, env_file=None)
    backend, state = Backend.instance, {"person": ""}
    with app.app_context():
        client = models.Client(
            client_id=CLIENT_ID, client_secret=CLIENT_SECRET, client_name="hub", client_uri="http://127.0.0.1",
            redirect_uris=["http://127.0.0.1/hub/oauth_callback"], grant_types=["authorization_code", "refresh_token"],
            response_types=["code"], scope=SCOPES, token_endpoint_auth_method="client_secret_post",
        )  # fmt: skip
        client.audience = [client]
        backend.save(client)

    @app.before_request
    def signed_in() -> None:
        user = backend.get(models.User, user_name=state["person"]) if state["person"] else None
        if user is not None:
            g.session = UserSession(user=user, last_login_datetime=datetime.now(UTC))
        if (where := request.args.get("redirect_uri")) and where not in client.redirect_uris:
            client.redirect_uris = [where]  # the hub's port is another at every run
            backend.save(client)

    @app.put("/-/tests")
    def tell() -> str:
        told = request.get_json()
        gathered.clear()
        state["person"] = told["person"]
        if told["end_tokens"]:
            for token in backend.query(models.Token):
                backend.delete(token)
        for name, groups in told["people"].items():
            _put_person(backend, models, client, name, groups)
            claims(backend.get(models.User, user_name=name))
        return ""

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    make_server(host, port, app, server_class=Server).serve_forever()


def _put_person(backend: Any, models: Any, client: Any, name: str, groups: Sequence[str]) -> None:
    user = backend.get(models.User, user_name=name)
    if user is None:
        user = models.User(user_name=name, formatted_name=name, family_name=name, emails=[f"{len(name)}@example.org"])
        backend.save(user)
        consent = models.Consent(
            consent_id=name, client=client, subject=user, scope=SCOPES, issue_date=datetime.now(UTC)
        )
        backend.save(consent)
    for group in list(user.groups):
        if group.display_name not in groups:
            group.members = [each for each in group.members if each.user_name != name]
            backend.save(group)
    present = {each.display_name for each in backend.get(models.User, user_name=name).groups}
    for wanted in groups:
        if wanted not in present:
            group = backend.get(models.Group, display_name=wanted) or models.Group(display_name=wanted, members=[])
            group.members = [*group.members, user]
            backend.save(group)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))

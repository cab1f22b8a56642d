"""A ticket and a hub environment, with canaries where secrets stand."""

import json
from typing import Any

from hubernate_core.profile import read_profile
from hubernate_core.server import Start, Ticket

DIGEST = "sha256:" + "a" * 64
CANARY = "canary-hub-token-0123456789"
RELAY = "canary-relay-token-0123456789"


def ticket(**changes: Any) -> Ticket:
    profile = {
        "name": "base",
        "title": "Base",
        "image": f"127.0.0.1:5000/profiles/base@{DIGEST}",
        "resources": {"cpu": "1500m", "memory": "4Gi", "pids": 512},
        "env": {"GREETING": "hello $(HOME) {username} %s"},
    }
    values: dict[str, Any] = {
        "server_id": "saaaaaaaa1",
        "generation": 7,
        "owner_id": "oaaaaaaaa1",
        "tenant_id": "taaaaaaaa1",
        "profile": read_profile(profile),
        "image": f"127.0.0.1:5000/t-taaaaaaaa1/u-oaaaaaaaa1@{DIGEST}",
        "start": Start.CONTINUE,
        "home_volume": "hub1-home-oaaaaaaaa1",
        "relay_token": RELAY,
        "service_url": "http://172.17.0.1:8082/services/hubernate",
    }
    return Ticket(**(values | changes))


def hub_env(user: str = "alice", prefix: str = "/user/alice/", **changes: str) -> dict[str, str]:
    """As JupyterHub 6.1's Spawner.get_env gives it."""
    return {
        "JUPYTERHUB_API_TOKEN": CANARY,
        "JPY_API_TOKEN": CANARY,
        "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{user}",
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "0",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{prefix}oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([f"access:servers!server={user}/", "access:servers!user=" + user]),
        "JUPYTERHUB_USER": user,
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_API_URL": "http://172.17.0.1:8081/hub/api",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_PREFIX": prefix,
        "JUPYTERHUB_PUBLIC_URL": f"http://127.0.0.1:8000{prefix}",
    } | changes

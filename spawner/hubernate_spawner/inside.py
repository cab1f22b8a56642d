"""What gate and notebook are told, on every engine: the gate's file and the notebook's environment. Pure."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hubernate_core.errors import Broken
from hubernate_core.gate_file import GateFile
from hubernate_core.manifests.docker import trust
from hubernate_core.server import Start, Ticket


def make_gate_file(ticket: Ticket, hub_env: Mapping[str, str], settings: Mapping[str, Any]) -> GateFile:
    """The gate's configuration. Keys of `hub_env`: jupyterhub/spawner.py ``get_env``, 6.1.

    Args:
        ticket: the platform service's answer.
        hub_env: ``Spawner.get_env()``; its values go into this file and nowhere else, the path prefix excepted.
        settings: ``c.Gate`` of the hub's configuration.

    Raises:
        Broken: a key is missing.
    """
    try:
        base = hub_env["JUPYTERHUB_BASE_URL"]
        return GateFile(
            server_id=ticket.server_id,
            generation=ticket.generation,
            user=hub_env["JUPYTERHUB_USER"],
            server_name=hub_env["JUPYTERHUB_SERVER_NAME"],
            prefix=hub_env["JUPYTERHUB_SERVICE_PREFIX"],
            hub_api_url=hub_env["JUPYTERHUB_API_URL"].rstrip("/"),
            hub_public_url=hub_env.get("JUPYTERHUB_HOST", ""),
            hub_base_path=f"{base.rstrip('/')}/hub/",
            client_id=hub_env["JUPYTERHUB_CLIENT_ID"],
            hub_token=hub_env["JUPYTERHUB_API_TOKEN"],
            callback_path=urlsplit(hub_env["JUPYTERHUB_OAUTH_CALLBACK_URL"]).path,
            public_url=hub_env.get("JUPYTERHUB_PUBLIC_URL", ""),
            access_scopes=tuple(json.loads(hub_env["JUPYTERHUB_OAUTH_ACCESS_SCOPES"])),
            cookie_options=json.loads(hub_env.get("JUPYTERHUB_COOKIE_OPTIONS") or "{}"),
            service_url=ticket.service_url,
            relay_token=ticket.relay_token,
            settings=dict(settings),
        )
    except KeyError as missing:
        raise Broken(f"the hub gave this start no {missing.args[0]}; is the spawner run by JupyterHub 6?") from missing


def notebook_env(ticket: Ticket, prefix: str, mirrors: Mapping[str, str], ca_bundle: str) -> dict[str, str]:
    """The notebook's whole environment: mirrors, the profile's over them, then the platform's, which always win.

    Args:
        prefix: path under which the server lives.
        mirrors: variables that point package managers at mirrors.
        ca_bundle: path of the CA bundle inside the notebook; empty: the image's own.
    """
    platform = {"HUBERNATE_BASE_URL": prefix} | ({"HUBERNATE_SAFE": "1"} if ticket.start is Start.SAFE else {})
    return {**trust(ca_bundle), **mirrors, **ticket.profile.env, **platform}

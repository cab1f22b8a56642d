"""What a gate is told: ``/etc/hubernate/gate.json``, written by the spawner, read by the gate at start and at SIGHUP.

It is the only place beside the hub's database where a server's Hub token stands. Mode 0400, owned by the gate's uid;
never in an environment, an argv, a label or an image.
"""

from pydantic import BaseModel, ConfigDict, Field

from .names import ServerId

GATE_FILE = "/etc/hubernate/gate.json"
GATE_UID = 65532
"""uid and gid of the gate's process."""
GATE_PORT = 8888
NOTEBOOK_PORT = 8889
RELAY_PORT = 8890


class GateFile(BaseModel):
    """One gate's configuration. URLs are absolute and without a trailing slash unless said otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    server_id: ServerId
    generation: int = Field(ge=1)
    user: str = Field(description="the owner's name at the hub")
    server_name: str = Field("", description="empty for the default server")
    prefix: str = Field(description="path under which the server lives, with both slashes: /user/alice/")
    hub_api_url: str = Field(description="the hub's REST API as this gate reaches it: http://172.17.0.1:8081/hub/api")
    hub_public_url: str = Field(
        "", description="the hub as browsers reach it, scheme and host; empty: same origin as the request"
    )
    hub_base_path: str = Field("/hub/", description="path of the hub for browsers, with both slashes")
    client_id: str = Field(description="OAuth client of this server; its secret is the hub token")
    hub_token: str = Field(repr=False)
    callback_path: str = Field(description="path the hub redirects to after login: /user/alice/oauth_callback")
    access_scopes: tuple[str, ...] = Field(description="a visitor needs one of them")
    public_url: str = Field(
        "",
        description="the platform as browsers reach it (JUPYTERHUB_PUBLIC_URL); https makes cookies Secure",
    )
    cookie_options: dict[str, str | int | bool] = {}
    service_url: str = Field(description="the platform service, with its prefix, as this gate reaches it")
    relay_token: str = Field(repr=False)
    listen: str = f"0.0.0.0:{GATE_PORT}"
    upstream: str = f"http://127.0.0.1:{NOTEBOOK_PORT}"
    relay_listen: str = f"127.0.0.1:{RELAY_PORT}"
    settings: dict[str, str | int | float | bool | list[str]] = Field({}, description="`c.Gate` of the hub's config")

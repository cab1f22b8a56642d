"""The platform service: its route, its token, and who may do what."""

from hubernate_spawner.installation import read_installation

c = get_config()  # noqa: F821  # given by traitlets
here = read_installation()

c.JupyterHub.services = [
    {
        "name": "hubernate",
        "url": here.service_address,
        "api_token": here.secret("service-token"),
        "oauth_no_confirm": True,
        "display": True,
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "hubernate-service",
        "description": "See people and their servers, start and stop servers",
        "services": ["hubernate"],
        "scopes": ["list:users", "read:users", "read:groups", "list:groups", "read:hub", "servers"],
    },
    {
        "name": "user",
        "description": "Own servers, and the page of their checkpoints",
        "scopes": ["self", "access:services!service=hubernate"],
    },
]

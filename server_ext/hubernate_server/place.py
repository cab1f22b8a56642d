"""Where this notebook is: read from its base path alone, because nothing of the hub's is in its environment. Pure."""

from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True)
class Place:
    """``/base/user/NAME/`` or ``/base/user/NAME/SERVER/`` taken apart."""

    owner: str
    server_name: str
    hub_prefix: str


def read_place(base_url: str) -> Place:
    """The parts of a server's base path; everything empty when the path is no hub's (a notebook run by hand).

    JupyterHub writes it as ``{base}user/{name}/{server}/``, each part percent-encoded (jupyterhub/user.py, 6.1).
    """
    base, found, rest = base_url.partition("/user/")
    parts = [unquote(part) for part in rest.split("/") if part]
    if not found or not 1 <= len(parts) <= 2:
        return Place("", "", "")
    return Place(parts[0], parts[1] if len(parts) == 2 else "", f"{base}/hub/")

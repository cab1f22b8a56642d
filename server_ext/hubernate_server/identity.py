"""Who is asking: the person that the gate let in, named in ``X-Forwarded-User``.

The notebook listens on loopback only and the gate strips a visitor's own header of that name, so it is the gate's word.
Whatever else reaches the loopback address runs as the owner already, and is taken for the owner.
"""

import os
from typing import Any
from urllib.parse import unquote

from jupyter_server.auth.identity import IdentityProvider, User
from traitlets import default

from .place import read_place

USER_HEADER = "X-Forwarded-User"
_NAME_MAX = 1024


class GateIdentityProvider(IdentityProvider):  # type: ignore[misc]
    """Takes the gate's word; there is no password, token or login page of the notebook's own."""

    @default("token")  # type: ignore[untyped-decorator]
    def _no_token(self) -> str:
        return ""

    def get_user(self, handler: Any) -> User:
        """The visitor, or the owner for a request that did not come through the gate."""
        name = unquote(handler.request.headers.get(USER_HEADER, ""))[:_NAME_MAX]
        name = name or read_place(os.environ.get("HUBERNATE_BASE_URL", "")).owner or "jovyan"
        return User(username=name, name=name, display_name=name, initials=name[:1].upper())

    def validate_security(self, app: Any, ssl_options: Any = None) -> None:
        """Say nothing about the missing password when on loopback; refuse any other address.

        Raises:
            SystemExit: the server would listen where the gate does not stand before it.
        """
        if app.ip not in ("127.0.0.1", "localhost", "::1"):
            app.log.critical("the notebook has no login of its own and may listen on 127.0.0.1 only, not on %r", app.ip)
            app.exit(1)

"""Login for the embedded default: names and teams from ``accounts.json``, one shared password, another for the admin.

Meant for one trusted machine: whoever knows the password may be any listed person. With OAuth it is not used.
"""

from hmac import compare_digest
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Unicode

from hubernate_core.errors import Broken, InvalidInput, shorten
from hubernate_core.lookalike import look_alike
from hubernate_core.names import normalise_user
from hubernate_core.platform_file import Accounts

from .installation import read_accounts


class OneSpelling:
    """One spelling per person at every authenticator: NFKC and case folded, nothing invisible, and nobody who looks
    like somebody else unless an admin listed the name (B04, B05)."""

    log: Any
    allowed_users: set[str]

    def normalize_username(self, username: str) -> str:
        """The one spelling; empty, and so refused, for what is no name. The log gets one short line."""
        try:
            name = normalise_user(username)
        except InvalidInput as problem:
            self.log.warning("refused a user name: %s", problem.reason)
            return ""
        alike = look_alike(name)
        if alike and not self.allowed_users & {name, username}:
            told = name.encode("ascii", "backslashreplace").decode()
            self.log.warning("refused the user name %s: %s; allowed_users may list it", shorten(told, 120), alike)
            return ""
        return name

    def validate_username(self, username: str) -> bool:
        """Only names in their one spelling."""
        try:
            return bool(username) and normalise_user(username) == username
        except InvalidInput:
            return False


class EmbeddedAuthenticator(OneSpelling, Authenticator):  # type: ignore[misc]
    """Accounts from a file that is read at every login and before every start: a change needs no restart."""

    accounts_file = Unicode(help="Path of accounts.json (0600). No default: 'hubernate up' writes it.").tag(config=True)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """The person, if listed and the password is theirs; their teams with it."""
        name, accounts = self.normalize_username(data["username"]), read_accounts(Path(self.accounts_file))
        expected = accounts.admin_password if name == accounts.admin else accounts.user_password
        right = compare_digest(data["password"].encode(), expected.encode())
        return _person(name, accounts) if right else None

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Listed people only."""
        return _person(username, read_accounts(Path(self.accounts_file))) is not None

    async def refresh_user(self, user: Any, handler: Any = None) -> Any:
        """Teams as they are listed now; a person who is listed no more must log in again, and cannot."""
        try:
            return _person(user.name, read_accounts(Path(self.accounts_file))) or False
        except Broken as problem:
            self.log.error("cannot read the accounts; keeping what is known of %s: %s", shorten(user.name, 60), problem)
            return True


def _person(name: str, accounts: Accounts) -> dict[str, Any] | None:
    """JupyterHub's authentication model; None for a name that is not listed."""
    if name != accounts.admin and name not in accounts.users:
        return None
    return {"name": name, "admin": name == accounts.admin, "groups": list(accounts.users.get(name, ()))}

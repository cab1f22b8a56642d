"""The embedded accounts: generated once, printed once, kept in `accounts.json` (0600)."""

import secrets
from typing import Any

from hubernate_core.platform_file import Accounts

from .layout import Layout, read_accounts, write_json

ADMIN = "admin"
USERS = {"ada": ("research",), "grace": ("research",), "linus": ("analytics",)}
TENANTS = {"research": "Research", "analytics": "Analytics"}
_SYLLABLES = [consonant + vowel for consonant in "bdfghjkmnprstvz" for vowel in "aiou"]


def readable_password(groups: int) -> str:
    """`groups` of three syllables, such as ``kobavi-timoru``; about 17.7 bits each."""
    return "-".join("".join(secrets.choice(_SYLLABLES) for _ in range(3)) for _ in range(groups))


def make_accounts() -> Accounts:
    """Fresh accounts. JupyterHub's shared-password login wants 8 characters for users and 32 for admins."""
    return Accounts(
        user_password=readable_password(4),
        admin_password=secrets.token_urlsafe(30),
        admin=ADMIN,
        users=USERS,
    )


def ensure_accounts(layout: Layout) -> tuple[Accounts, bool]:
    """The accounts, and whether they were made just now."""
    known = read_accounts(layout)
    if known is not None:
        layout.accounts.chmod(0o600)
        return known, False
    made = make_accounts()
    write_json(layout.accounts, made, 0o600)
    return made, True


def tenants() -> list[dict[str, Any]]:
    """What `tenants.json` starts with; an admin edits it, `up` never writes it again."""
    return [{"name": name, "title": title} for name, title in TENANTS.items()]

"""``oauth.json``: an admin's options of oauthenticator's GenericOAuthenticator, checked before the hub starts."""

import difflib
import json
from pathlib import Path
from typing import Any

from traitlets import HasTraits, TraitError

from hubernate_core.errors import InvalidInput

from .installation import check_private
from .oauth import TenantOAuthenticator

NEEDED = ("client_id", "client_secret", "authorize_url", "token_url", "userdata_url")
_WHO_MAY = ("allow_all", "allowed_users", "allowed_groups", "admin_users", "admin_groups", "allow_existing_users")


def read_oauth(path: Path) -> dict[str, Any]:
    """The options, lists of people and groups as sets.

    Raises:
        Broken: others on this machine can read the file.
        InvalidInput: its `field` is ``FILE: OPTION``; no value is told, for there are secrets among them.
    """
    check_private(path)
    try:
        found = json.loads(path.read_text())
    except ValueError as problem:
        raise InvalidInput(str(path), f"it is not JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise InvalidInput(str(path), 'an object of options is expected, such as {"client_id": "…"}')
    options = {name: _checked(path, name, value) for name, value in found.items()}
    for name in NEEDED:
        from_token = name == "userdata_url" and options.get("userdata_from_id_token")
        if not options.get(name) and not from_token:
            raise InvalidInput(f"{path}: {name}", "it is missing; the identity provider's admin knows it")
    if not any(options.get(name) for name in _WHO_MAY):
        raise InvalidInput(
            f"{path}: allowed_groups",
            "nobody could log in; name the groups or users who may (allowed_groups, allowed_users), or set allow_all",
        )
    return options


def _checked(path: Path, name: str, value: object) -> object:
    traits = TenantOAuthenticator.class_traits(config=True)
    if name not in traits:
        close = difflib.get_close_matches(name, traits, n=1)
        raise InvalidInput(
            f"{path}: {name}", f"there is no such option{f'; did you mean {close[0]!r}?' if close else ''}"
        )
    if isinstance(value, list) and name.endswith(("_users", "_groups")):
        value = set(map(str, value))
    if value is None and traits[name].allow_none:
        return value
    try:
        return traits[name].validate(HasTraits(), value)
    except TraitError as problem:
        kind = type(traits[name]).__name__
        raise InvalidInput(f"{path}: {name}", f"its value is no {kind}, which is expected") from problem

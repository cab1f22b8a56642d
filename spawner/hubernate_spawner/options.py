"""What a person may say about a start: six words of ours, checked at every start.

JupyterHub hands over options unvalidated, from a form, from a query or from the REST API, also those of an admin who
starts another's server, and uses the stored ones again (jupyterhub/user.py ``spawn``). Whatever is not named here is
refused, so that no image, environment, mount or engine option can be smuggled in.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from hubernate_core.errors import InvalidInput, shorten
from hubernate_core.names import check_profile_name, check_tenant_name
from hubernate_core.server import Start, StartChoice

KEYS = tuple(StartChoice.model_fields)
_TEXT_MAX = 100


def from_form(form: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """The start form's fields as options: one text each, empty ones left out; unknown fields stay, to be refused.

    Raises:
        InvalidInput: a field came twice, or is a file.
    """
    options: dict[str, str] = {}
    for key, values in form.items():
        if key == "_xsrf":
            continue
        if len(values) != 1 or not isinstance(values[0], str):
            raise InvalidInput(shorten(key, 40), "give exactly one text")
        if values[0]:
            options[key] = values[0]
    if options.get("start") != Start.CHECKPOINT:
        options.pop("checkpoint_id", None)  # the form's list always has something selected
    return options


def read_choice(options: object) -> StartChoice:
    """The choice that untrusted `options` stand for. Empty or None: continue where the person left off.

    Raises:
        InvalidInput: not an object, an unknown key (naming the closest known one), or a bad value.
    """
    if options is None:
        return StartChoice()
    if not isinstance(options, Mapping):
        raise InvalidInput("user_options", 'give an object, such as {"start": "clean", "profile": "base"}')
    for key in options:
        _check_key(key)
    values = {key: value for key, value in options.items() if value not in ("", None)}
    for key, value in values.items():
        if not isinstance(value, str) or len(value) > _TEXT_MAX:
            raise InvalidInput(key, f"give a text of at most {_TEXT_MAX} characters")
    if "profile" in values:
        check_profile_name(values["profile"])
    if "tenant" in values:
        check_tenant_name(values["tenant"])
    try:
        return StartChoice.model_validate(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise InvalidInput(str(first["loc"][0]) if first["loc"] else "user_options", first["msg"]) from problem


def to_repeat(choice: StartChoice) -> dict[str, Any]:
    """What the hub should use again for the next start that names no options: same tenant, newest state.

    A clean or older start is a choice for once. Repeated by an automatic restart it would hide the newest work.
    """
    return {"tenant": choice.tenant, "start": str(Start.CONTINUE)} if choice.tenant else {"start": str(Start.CONTINUE)}


def _check_key(key: object) -> None:
    if isinstance(key, str) and key in KEYS:
        return
    shown = shorten(str(key), 40)
    close = difflib.get_close_matches(shown, KEYS, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(KEYS)}"
    raise InvalidInput(f"user_options.{shown}", f"there is no such start option; {hint}")

"""The keys that encrypt sources' credentials, in the Secret: the service cannot write a Secret that it has mounted."""

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any

from hubernate_core.errors import Broken, Conflict, NotFound

from .kubectl import Kubectl

KEY = "data-keys"
_BYTES = 32


def make_keys(text: str = "") -> str:
    """`text` with one more key, which is the current one; the others stay, for what is under them.

    In the form of the service's cipher: ``{"current": NAME, "keys": {NAME: base64 of 32 bytes}}``.

    Raises:
        Broken: `text` is no such thing.
    """
    known = _read(text)["keys"] if text else {}
    name = secrets.token_hex(4)
    fresh = base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    return json.dumps({"current": name, "keys": known | {name: fresh}})


def only_current(text: str, name: str) -> str:
    """`text` without every key but `name`, which everything was put under.

    Raises:
        Conflict: it is not the current one; nothing was changed.  Broken: `text` is no such thing.
    """
    found = _read(text)
    if found["current"] != name:
        raise Conflict(
            f"{name!r} is not the current data key of the Secret, so credentials may be under another; nothing was"
            " changed. Run `hubernate sources rotate-keys` and forget all but the key that it names"
        )
    return json.dumps({"current": found["current"], "keys": {found["current"]: found["keys"][found["current"]]}})


def change_keys(kubectl: Kubectl, secret: str, change: Callable[[str], str]) -> int:
    """Write the keys anew in `secret`; how many there are then.

    Raises:
        NotFound: they are not there yet.  Broken: they are damaged.  Otherwise as `Kubectl`; nothing was changed.
    """
    found = kubectl.get("secret", secret)
    held = ((found or {}).get("data") or {}).get(KEY)
    if found is None or held is None:
        raise NotFound(f"{kubectl.namespace}/{secret} has no {KEY}; `hubernate kubernetes secrets` makes them")
    text = change(base64.b64decode(held).decode())
    data = {KEY: base64.b64encode(text.encode()).decode()}
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    kubectl.merge("secret", secret, {"metadata": version, "data": data})
    return len(json.loads(text)["keys"])


def _read(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
        found["keys"][found["current"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise Broken(f"{KEY} is damaged; restore the Secret from the backup. Nothing was changed") from problem
    return found

"""The Secret ``platform-secrets``: made once, completed when a key is missing, never overwritten."""

import base64
import secrets
from collections.abc import Callable, Mapping

from hubernate_core.platform_file import Accounts

from ..accounts import make_accounts
from .data_keys import KEY, make_keys
from .kubectl import Kubectl

NAME = "platform-secrets"
ACCOUNTS, OAUTH = "accounts.json", "oauth.json"
_BYTES = 32


def _random() -> str:
    return secrets.token_hex(_BYTES)


def _signing_key() -> str:
    # Here and not at the service's first start, as on one machine: what is mounted from a Secret cannot be written.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _accounts() -> str:
    return make_accounts().model_dump_json(indent=2) + "\n"


MAKERS: Mapping[str, Callable[[], str]] = {
    "hub-cookie": _random,
    "hub-crypt-key": _random,
    "proxy-token": _random,
    "service-token": _random,
    "spawner-token": _random,
    "signing-key": _signing_key,
    KEY: make_keys,
    ACCOUNTS: _accounts,
}


def missing(present: Mapping[str, str]) -> dict[str, str]:
    """What has to be added to `present`. With an identity provider nobody needs the embedded accounts."""
    left_out = {ACCOUNTS} if OAUTH in present else set()
    return {key: make() for key, make in MAKERS.items() if key not in present and key not in left_out}


def ensure_secrets(kubectl: Kubectl) -> tuple[list[str], Accounts | None]:
    """Make what is missing.

    Returns:
        keys that were made, and the accounts if they are among them.

    Raises:
        NotAllowed, Conflict, Unavailable: as `Kubectl` says; nothing was changed.
    """
    found = kubectl.get("secret", NAME)
    fresh = missing((found or {}).get("data") or {})
    if not fresh:
        return [], None
    data = {key: base64.b64encode(value.encode()).decode() for key, value in fresh.items()}
    if found is None:
        metadata = {"name": NAME, "namespace": kubectl.namespace, "labels": {"app.kubernetes.io/part-of": "hubernate"}}
        kubectl.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})
    else:
        kubectl.merge(
            "secret", NAME, {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "data": data}
        )
    accounts = Accounts.model_validate_json(fresh[ACCOUNTS]) if ACCOUNTS in fresh else None
    return sorted(fresh), accounts


def read_accounts(kubectl: Kubectl) -> Accounts | None:
    """The embedded accounts of the cluster, None where there are none."""
    held = ((kubectl.get("secret", NAME) or {}).get("data") or {}).get(ACCOUNTS)
    return None if held is None else Accounts.model_validate_json(base64.b64decode(held))

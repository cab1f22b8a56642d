"""Which gate file a gate goes by, said without saying what is in it. No pydantic: gates import this."""

import hashlib

FINGERPRINT_HEADER = "X-Hubernate-Gate"
"""On a gate's answer to ``{prefix}api``. Kubernetes hands a changed file over when it likes, so the spawner looks."""


def fingerprint(hub_token: str, relay_token: str) -> str:
    """16 hex digits of a hash over both tokens. They are random, so nothing of them can be guessed from it."""
    return hashlib.sha256(f"gate\0{hub_token}\0{relay_token}".encode()).hexdigest()[:16]

"""Errors of outside systems, told in our words, and without any value of the credential."""

from hubernate_core.errors import shorten


class Fault(Exception):
    """What a call ended with.

    Args:
        kind: ``not_found``, ``refused``, ``invalid``, ``changed`` (a precondition failed), ``large``,
            ``range`` (beyond the end), ``unavailable``: of these only the last says that the source does badly.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def not_found(path: str) -> Fault:
    """There is nothing at `path`."""
    return Fault("not_found", f"there is nothing at {shorten(path, 200)!r} in this source")


def scrub(text: str, secrets: list[str]) -> str:
    """`text` on one line without any of `secrets`, whatever an outside system put into its message."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 3:
            text = text.replace(secret, "•••")
    return shorten(text, 400)

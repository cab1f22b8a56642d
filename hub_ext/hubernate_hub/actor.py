"""Who does something, for the audit log."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """A person at one request. `role` is what they are to the tenant or server they act on."""

    name: str
    role: str
    platform_admin: bool = False
    origin: str = ""
    request_id: str = ""

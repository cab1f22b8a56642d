"""Who uses data: a value, made by `api.readers` alone."""

from dataclasses import dataclass, field

from hubernate_core.names import TenantId

from ..actor import Actor


@dataclass(frozen=True)
class Reader:
    """Somebody who uses data as a member of one tenant.

    `governs`: may register and change its sources; `platform`: also those of the platform's folders. `actor` is how the
    audit log names who governs.
    """

    tenant_id: TenantId
    user: str
    governs: bool = False
    platform: bool = False
    actor: Actor | None = field(default=None, compare=False)

"""Who uses data: a value, made by `api.readers` alone."""

from dataclasses import dataclass

from hubernate_core.names import TenantId


@dataclass(frozen=True)
class Reader:
    """Somebody who uses data as a member of one tenant. `governs`: may register and change its sources."""

    tenant_id: TenantId
    user: str
    governs: bool = False

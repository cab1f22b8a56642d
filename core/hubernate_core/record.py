"""The record that proves a checkpoint is ours: the bytes that are signed, and what a resume checks.

The platform service signs with Ed25519 and keeps the key; a tag or an image that somebody else pushed has no record.
"""

import json

from pydantic import BaseModel, ConfigDict

from .errors import Broken
from .names import OwnerId, ServerId, TenantId


class Record(BaseModel):
    """What a signature stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    digest: str
    repository: str
    tenant_id: TenantId
    owner_id: OwnerId
    server_id: ServerId
    generation: int
    base_digest: str
    version: int = 1

    def payload(self) -> bytes:
        """The signed bytes: JSON with sorted keys and no spaces, so that equal records have equal bytes."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":")).encode()


def check_record(record: Record, *, owner_id: OwnerId, tenant_id: TenantId) -> None:
    """Refuse a record that was made for someone else or by a newer platform.

    Raises:
        Broken: with the ids; the caller offers another checkpoint or a clean start.
    """
    if record.version != 1:
        raise Broken(f"checkpoint record of version {record.version}: this platform knows version 1; upgrade it first")
    if record.owner_id != owner_id or record.tenant_id != tenant_id:
        raise Broken("checkpoint record belongs to another person", digest=record.digest)

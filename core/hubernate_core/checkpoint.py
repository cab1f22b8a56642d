"""A checkpoint: a saved environment in the registry. What it is, and when layers are merged."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .names import CheckpointId, OperationId, OwnerId, ServerId, TenantId

LAYERS_MAX = 8
"""Our layers above the base; at this many the next save merges them. Docker refuses layer 126 (moby maxLayerDepth)."""
GROWTH_MAX = 0.25
"""Bytes in newer layers, as a share of the oldest of ours, at which a merge pays: at most a quarter is dead weight."""


class Layer(BaseModel):
    """One layer of ours. `digest` and `size` are of the compressed blob, `diff_id` of the tar (OCI image-spec)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    diff_id: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes, compressed")
    media_type: str


class Entry(BaseModel):
    """A folder or file and what it weighs, for "what is largest in it"."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str = Field(max_length=500)
    size: int = Field(ge=0, description="bytes, uncompressed")


class Checkpoint(BaseModel):
    """A recorded checkpoint. Times are UTC; sizes are bytes."""

    model_config = ConfigDict(frozen=True)
    id: CheckpointId
    operation_id: OperationId
    server_id: ServerId
    tenant_id: TenantId
    owner_id: OwnerId
    generation: int
    name: str = ""
    profile: str
    repository: str
    digest: str = Field(description="digest of the image manifest")
    base_digest: str = Field(description="digest of the profile image's manifest it stands on")
    size: int = Field(description="compressed bytes of our layers")
    changed_bytes: int = Field(0, description="uncompressed bytes of the files in them")
    layers: tuple[Layer, ...] = ()
    largest: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = Field((), description="what could not be kept, one sentence each")
    created_at: datetime
    signature: str = ""
    usable: bool = Field(True, description="false once a resume found it missing from the registry")
    pinned: bool = Field(False, description="retention never lets it go")
    goes_at: datetime | None = Field(None, description="when retention lets it go; None: not soon")
    goes_why: str = Field("", description="the rule that lets it go: count, age, user_bytes or tenant_bytes")

    @property
    def reference(self) -> str:
        """``repository@digest``."""
        return f"{self.repository}@{self.digest}"


def layers_to_merge(sizes: Sequence[int], new: int) -> int:
    """How many of our topmost layers the next save should merge with the new change.

    Args:
        sizes: compressed bytes of our layers, oldest first.
        new: bytes about to be added (an estimate will do).

    Returns:
        0 to stack the new layer on top, otherwise the number of layers, counted from the top, to write anew with it.

    Small layers are merged into each other like runs of a log-structured tree, so that depth stays low at little cost;
    everything is merged when newer layers outweigh `GROWTH_MAX` of the oldest.
    """
    if not sizes:
        return 0
    if sum(sizes[1:]) + new > GROWTH_MAX * sizes[0]:
        return len(sizes)
    count, weight = 0, new
    while count < len(sizes) - 1 and sizes[-1 - count] <= 2 * weight:
        weight += sizes[-1 - count]
        count += 1
    if len(sizes) - count + 1 > LAYERS_MAX:
        count = max(count, len(sizes) - LAYERS_MAX // 2)
    return count

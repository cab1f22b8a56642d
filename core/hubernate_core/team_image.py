"""A team image: a checkpoint that an admin of a team offers to its members to start from, as they choose a profile."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .checkpoint import Checkpoint, Entry
from .names import CheckpointId, TeamImageId, TenantId
from .quantity import show_bytes


class MadeFrom(BaseModel):
    """Whose environment it was and what is in it, told to whoever offers it and whoever starts it."""

    model_config = ConfigDict(frozen=True)
    checkpoint: CheckpointId
    user: str
    server_name: str
    saved_at: datetime
    changed_bytes: int = Field(description="bytes, uncompressed")
    largest: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = Field((), description="what could not be kept, one sentence each")


class TeamImage(BaseModel):
    """One team image. Times are UTC."""

    model_config = ConfigDict(frozen=True)
    id: TeamImageId
    tenant_id: TenantId
    name: str
    title: str
    profile: str = Field(description="gives it resources and environment variables")
    repository: str
    digest: str = Field(description="digest of the image manifest, the checkpoint's")
    source: str = Field(description="repository@digest of the checkpoint")
    made_from: MadeFrom
    size: int = Field(description="compressed bytes above the profile's image")
    created_by: str
    created_at: datetime
    offered_at: datetime | None = Field(None, description="since when it can be started; None: it is being prepared")
    retired_at: datetime | None = None
    problem: str = Field("", description="why it cannot be prepared; it is tried again")

    @property
    def reference(self) -> str:
        """``repository@digest``."""
        return f"{self.repository}@{self.digest}"


def contents(checkpoint: Checkpoint, user: str) -> str:
    """What everybody in the team would get, in sentences for whoever is about to offer it."""
    largest = ", ".join(f"{each.path} ({show_bytes(each.size)})" for each in checkpoint.largest[:5])
    what = f" Largest in it: {largest}." if largest else ""
    return (
        f"The image holds everything that {user} changed outside the home folder,"
        f" {show_bytes(checkpoint.changed_bytes)} as of {checkpoint.created_at:%Y-%m-%d %H:%M} UTC.{what} Nobody looked"
        " through it for passwords or keys that were put there, such as in /etc or in a package's configuration; every"
        " member of the team could read them. The home folder is not in it"
    )

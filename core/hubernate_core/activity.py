"""What is known of one running server's use. An open tab alone is not activity."""

from collections.abc import Collection
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .culling import Sign


class Activity(BaseModel):
    """What is known of one running server. Times are UTC, as received by the platform service (F40)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    started_at: datetime
    last_person_at: datetime | None = Field(None, description="last request that a person's action caused")
    last_kernel_busy_at: datetime | None = None
    last_terminal_busy_at: datetime | None = Field(None, description="a terminal had a child process")
    last_cpu_busy_at: datetime | None = Field(None, description="CPU use was above the rule's floor")
    last_gpu_busy_at: datetime | None = Field(None, description="GPU use was above the floor, or was first read")
    gpu_read_at: datetime | None = Field(None, description="when GPU use was last read; None: it cannot be read")
    keep_awake_until: datetime | None = None
    warned_at: datetime | None = Field(None, description="since when its person is told that it is about to sleep")


def last_active(activity: Activity, signs: Collection[Sign] = tuple(Sign)) -> datetime:
    """The latest moment at which any of `signs` was seen; its start counts in any case."""
    seen = {
        Sign.PERSON: activity.last_person_at,
        Sign.KERNEL: activity.last_kernel_busy_at,
        Sign.TERMINAL: activity.last_terminal_busy_at,
        Sign.CPU: activity.last_cpu_busy_at,
        Sign.GPU: activity.last_gpu_busy_at,
    }
    moments = (activity.started_at, *(seen[sign] for sign in signs))
    return max(moment for moment in moments if moment is not None)

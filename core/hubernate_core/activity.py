"""Is a server idle? A pure decision over what the gate and the agent saw; an open tab alone is not activity."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field


class Activity(BaseModel):
    """What is known of one running server. Times are UTC, as received by the platform service (F40)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    started_at: datetime
    last_person_at: datetime | None = Field(None, description="last request that a person's action caused")
    last_kernel_busy_at: datetime | None = None
    last_terminal_busy_at: datetime | None = Field(None, description="a terminal had a child process")
    last_cpu_busy_at: datetime | None = Field(None, description="CPU use was above the rule's floor")
    keep_awake_until: datetime | None = None


LONGEST = timedelta(days=3660)
"""Ten years: no rule needs more, and no sum of times overflows."""


class CullingRule(BaseModel):
    """When a server is put to sleep."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    idle_after: timedelta = Field(timedelta(hours=1), gt=timedelta(0), le=LONGEST, description="time without activity")
    max_age: timedelta | None = Field(
        None, gt=timedelta(0), le=LONGEST, description="time since start after which it sleeps although it is busy"
    )
    cpu_floor: float = Field(0.05, ge=0, description="cores; use above this counts as activity")


def last_active(activity: Activity) -> datetime:
    """The latest moment at which anything counted as work."""
    moments = (
        activity.started_at,
        activity.last_person_at,
        activity.last_kernel_busy_at,
        activity.last_terminal_busy_at,
        activity.last_cpu_busy_at,
    )
    return max(moment for moment in moments if moment is not None)


def why_sleep(activity: Activity, rule: CullingRule, now: datetime) -> str | None:
    """``"idle"`` or ``"max-age"`` when `rule` puts the server to sleep at `now`, otherwise None."""
    if rule.max_age is not None and now - activity.started_at >= rule.max_age:
        return "max-age"
    if activity.keep_awake_until is not None and now < activity.keep_awake_until:
        return None
    return "idle" if now - last_active(activity) >= rule.idle_after else None

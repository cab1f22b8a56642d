"""When a tenant's servers are put to sleep: its rule, and rules for some of its profiles. What they do: `sleeping`."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .errors import InvalidInput
from .grammar import check_labels
from .names import check_profile_name
from .profile import Profile
from .working_hours import WorkingHours

_RULES_MAX = 50
_LONGEST = timedelta(days=3660)
"""Ten years: no rule needs more, and no sum of times overflows."""
_Length = Annotated[timedelta, Field(ge=timedelta(0), le=_LONGEST)]
_Limit = Annotated[timedelta, Field(ge=timedelta(minutes=1), le=_LONGEST)]


class Sign(StrEnum):
    """What may count as activity. An open tab alone never does."""

    PERSON = "person"  # a person did something: ran a cell, typed, saved or opened a file
    KERNEL = "kernel"  # a kernel was busy
    TERMINAL = "terminal"  # a terminal had a child process
    CPU = "cpu"  # CPU use was above the rule's floor
    GPU = "gpu"  # GPU use was above the rule's floor, where it can be read


class CullingRule(BaseModel):
    """When a server is put to sleep."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    idle_after: _Length = Field(timedelta(hours=1), description="time without activity")
    max_age: _Length | None = Field(None, description="time since start after which it sleeps although it is busy")
    cpu_floor: float = Field(0.05, ge=0, description="cores; use above this counts as activity")
    gpu_floor: float = Field(
        0.05, ge=0, le=1, description="share of the busiest GPU; use above this counts as activity"
    )
    gpu_idle_after: _Limit | None = Field(
        None, description="time without use of its GPU, whatever else it does; only where the use can be read"
    )
    working_hours: WorkingHours | None = Field(None, description="such as 'Mon-Fri 08:00-18:00 Europe/Berlin'")
    off_hours_idle_after: _Limit | None = Field(None, description="time without activity outside the working hours")
    warn_before: _Length = Field(timedelta(minutes=10), description="how long before it sleeps its person is warned")
    keep_awake: _Length = Field(
        timedelta(hours=12), description="longest that a person may keep it awake without doing anything in it"
    )
    activity: tuple[Sign, ...] = Field(tuple(Sign), min_length=1, description="what counts as activity")

    @model_validator(mode="after")
    def _check(self) -> "CullingRule":
        if (self.working_hours is None) != (self.off_hours_idle_after is None):
            raise ValueError("working_hours and off_hours_idle_after go together: give both, or none")
        return self


class ProfileRule(CullingRule):
    """A whole rule of its own for the profiles that it matches: it takes nothing over from the tenant's."""

    profiles: tuple[str, ...] = Field((), max_length=100, description="names of profiles; empty: any")
    labels: dict[str, str] = Field({}, max_length=20, description="labels that the profile has, all of them")

    @model_validator(mode="after")
    def _check_match(self) -> "ProfileRule":
        if not self.profiles and not self.labels:
            raise ValueError("name profiles or labels; the rule for all others is the tenant's own")
        return self

    @field_validator("profiles", "labels")
    @classmethod
    def _well_formed(cls, given: tuple[str, ...] | dict[str, str]) -> tuple[str, ...] | dict[str, str]:
        try:
            if isinstance(given, dict):
                check_labels(given, "labels")
            else:
                for profile in given:
                    check_profile_name(profile)
        except InvalidInput as problem:
            raise ValueError(problem.reason) from problem  # pydantic adds which rule it is
        return given

    def matches(self, profile: Profile) -> bool:
        """Whether it is for servers of `profile`."""
        named = not self.profiles or profile.name in self.profiles
        return named and self.labels.items() <= profile.labels.items()


class Culling(CullingRule):
    """A tenant's rules: the first of `rules` that matches a server's profile, otherwise the tenant's own."""

    rules: tuple[ProfileRule, ...] = Field((), max_length=_RULES_MAX, description="for some profiles, first match wins")

    def rule_for(self, profile: Profile) -> CullingRule:
        """The rule for servers of `profile`."""
        return next((each for each in self.rules if each.matches(profile)), self)

    def named(self) -> tuple[tuple[str, CullingRule], ...]:
        """Every rule with the path of its fields in the tenant's settings."""
        return ("culling", self), *((f"culling.rules.{number}", each) for number, each in enumerate(self.rules))

"""A tenant: who is in, what its members may use, and what the tenant's own admins may change."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .culling import Culling
from .errors import InvalidInput, NotAllowed, shorten
from .kubernetes import TenantKubernetes
from .names import TenantId, check_profile_name, check_tenant_name, normalise_user
from .quota import Quota, limit_of
from .refusal import show_amount
from .retention import Retention

_GROUP_MAX = 255
_MEMBERS_MAX = 10_000


class Role(StrEnum):
    """What a person is in a tenant."""

    MEMBER = "member"
    ADMIN = "admin"


class Member(BaseModel):
    """A person who is in by our own list rather than by a group. `user` is the hub's very spelling."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    user: str = Field(min_length=1, max_length=255)
    role: Role = Role.MEMBER

    @field_validator("user")
    @classmethod
    def _some_hubs_name(cls, user: str) -> str:
        try:
            normalise_user(user)
        except InvalidInput as problem:
            raise ValueError(problem.reason) from problem
        return user


class Bounds(BaseModel):
    """How far the tenant's own admins may go; None: as far as they like."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    idle_after_max: timedelta | None = Field(
        None, description="longest time without activity they may allow, outside working hours too"
    )
    max_age_max: timedelta | None = Field(
        None, description="longest life they may allow; a rule without one is refused"
    )
    keep_awake_max: timedelta | None = Field(None, description="longest that they may let people keep servers awake")
    keep_count_max: int | None = Field(None, ge=1, description="most checkpoints of one server they may keep")
    keep_age_max: timedelta | None = Field(None, description="longest time they may keep checkpoints")


class TenantSettings(BaseModel):
    """All that can be set of a tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str = Field("", max_length=60)
    groups: tuple[str, ...] = Field(
        (), description="groups of the identity provider whose people are members; empty: the one of the tenant's name"
    )
    admin_groups: tuple[str, ...] = Field((), description="groups whose people are admins of the tenant")
    profiles: tuple[str, ...] = Field((), description="profiles its members may start; empty: every profile")
    culling: Culling = Culling()
    retention: Retention = Retention()
    quota: Quota = Quota()
    preemption: bool = Field(
        False,
        description="a job that waits for the quota may stop running ones of lower priority; they run again later",
    )
    bounds: Bounds = Bounds()
    kubernetes: TenantKubernetes = TenantKubernetes()

    @model_validator(mode="after")
    def _check(self) -> "TenantSettings":
        if not self.title.isprintable():
            raise InvalidInput("title", "one line of printable characters")
        for field in ("groups", "admin_groups"):
            for group in getattr(self, field):
                if not group.strip() or len(group) > _GROUP_MAX or not group.isprintable():
                    raise InvalidInput(field, f"{shorten(group, 40)!r} is no name of a group")
        for profile in self.profiles:
            check_profile_name(profile)
        return self

    def groups_of(self, name: str) -> dict[str, Role]:
        """The groups whose people are in the tenant called `name`, and as what."""
        return dict.fromkeys(self.groups or (name,), Role.MEMBER) | dict.fromkeys(self.admin_groups, Role.ADMIN)


class Tenant(TenantSettings):
    """A team. Its name is for people; its id is in every engine name."""

    id: TenantId
    name: str

    @property
    def settings(self) -> TenantSettings:
        """What can be set of it."""
        return TenantSettings.model_validate(self.model_dump(mode="json", exclude={"id", "name"}))


class TenantDocument(TenantSettings):
    """A tenant as a file has it: what ``hubernate export`` writes and ``hubernate apply`` reads."""

    kind: Literal["Tenant"] = "Tenant"
    name: str
    suspended: bool = Field(False, description="nothing new starts; what runs goes on")
    members: tuple[Member, ...] = Field((), max_length=_MEMBERS_MAX, description="people who are in beside the groups'")

    @model_validator(mode="after")
    def _check_document(self) -> "TenantDocument":
        check_tenant_name(self.name)
        names = [each.user for each in self.members]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise InvalidInput("members", f"{shorten(twice, 40)!r} stands there twice")
        return self

    @property
    def settings(self) -> TenantSettings:
        """What can be set of the tenant."""
        known = self.model_dump(mode="json", include=set(TenantSettings.model_fields))
        return TenantSettings.model_validate(known)


def check_caps(quota: Quota) -> None:
    """Refuse a cap of one person above the whole tenant's limit: it reads as a promise that cannot be kept.

    Caps may add up to more than the tenant has: they are bounds, not shares.

    Raises:
        InvalidInput: such a cap, with both amounts.
    """
    for resource, cap in quota.per_user.limits.items():
        limit = limit_of(quota.limits, resource)
        if limit is not None and cap > limit:
            raise InvalidInput(
                f"quota.per_user.{'devices.' if '/' in resource else ''}{resource}",
                f"one person may not have {show_amount(resource, cap)} where the whole team has"
                f" {show_amount(resource, limit)}; lower this cap too, or leave it out. Nothing was changed",
            )


def check_own_change(before: TenantSettings, after: TenantSettings) -> None:
    """Refuse what a tenant's own admin may not change.

    Raises:
        NotAllowed: a field that is the platform admin's.  InvalidInput: a value beyond the bounds.
    """
    theirs = {"title", "culling", "retention", "preemption"}
    changed = {name for name in TenantSettings.model_fields if getattr(before, name) != getattr(after, name)}
    if before.quota.model_copy(update={"per_user": after.quota.per_user}) == after.quota:
        changed.discard("quota")
    if changed - theirs:
        raise NotAllowed(
            f"only a platform admin changes {', '.join(sorted(changed - theirs))}; admins of a tenant change its title,"
            " culling, retention, preemption, quota.per_user and members. Nothing was changed"
        )
    bounds = before.bounds
    for path, rule in after.culling.named():
        _within(f"{path}.idle_after", rule.idle_after, bounds.idle_after_max)
        _within(f"{path}.off_hours_idle_after", rule.off_hours_idle_after or timedelta(), bounds.idle_after_max)
        _within(f"{path}.max_age", rule.max_age or timedelta.max, bounds.max_age_max)
        _within(f"{path}.keep_awake", rule.keep_awake, bounds.keep_awake_max)
    _within("retention.keep_count", after.retention.keep_count, bounds.keep_count_max)
    _within("retention.keep_age", after.retention.keep_age, bounds.keep_age_max)


def _within(field: str, value: object, most: object) -> None:
    if most is not None and value > most:  # type: ignore[operator]  # both are of the field's one type
        raise InvalidInput(field, f"at most {most}, as the platform admin set it; nothing was changed")

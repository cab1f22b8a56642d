"""What a tenant may use at the same time, and the one decision whether something more fits.

An amount is a number under the name of a resource: ``servers``, ``jobs``, ``cpu`` (thousandths of a core), ``memory``,
``storage`` and ``checkpoint_bytes`` (bytes), ``homes``, or a device such as ``nvidia.com/gpu``. The start of a server,
the pages, the API and the command line all ask `decide`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .grammar import check_device
from .profile import Profile
from .quantity import Bytes, MilliCpu
from .scheduling import DeviceCount

Amounts = Mapping[str, int]
"""How much of each resource; what is not named is none of it."""


class UserQuota(BaseModel):
    """Sums over one person's running servers inside the tenant. None: only the tenant's own limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    servers: int | None = Field(None, ge=0, le=100_000, description="servers that one person runs at the same time")
    jobs: int | None = Field(None, ge=0, le=100_000, description="jobs of one person that run at the same time")
    cpu: MilliCpu | None = Field(None, description="thousandths of a core; written '8'")
    memory: Bytes | None = Field(None, description="bytes; written '32Gi'")
    checkpoint_bytes: Bytes | None = Field(None, description="bytes of one person's checkpoints; written '50Gi'")
    devices: dict[str, DeviceCount] = Field({}, description="extended resources by name; others: the tenant's limit")

    @model_validator(mode="after")
    def _check(self) -> "UserQuota":
        for device in self.devices:
            check_device(device, "quota.per_user.devices")
        return self

    @property
    def limits(self) -> Amounts:
        """What is limited, and to how much."""
        names = ("servers", "jobs", "cpu", "memory", "checkpoint_bytes")
        named = {name: getattr(self, name) for name in names}
        return {name: limit for name, limit in named.items() if limit is not None} | self.devices


class Quota(BaseModel):
    """Sums over a tenant's running servers, and over its homes for storage. None: no limit of ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    servers: int = Field(100, ge=0, le=100_000, description="servers that run at the same time")
    jobs: int | None = Field(None, ge=0, le=100_000, description="jobs that run at the same time")
    cpu: MilliCpu | None = Field(None, description="thousandths of a core; written '64'")
    memory: Bytes | None = Field(None, description="bytes; written '256Gi'")
    homes: int = Field(1000, ge=0, le=100_000, description="home volumes")
    storage: Bytes | None = Field(None, description="bytes of all home volumes; written '2Ti'")
    checkpoint_bytes: Bytes | None = Field(
        None, description="bytes of all checkpoints; above it nothing new starts, but a save is never refused"
    )
    devices: dict[str, DeviceCount] = Field({}, description="extended resources by name; none other is given")
    per_user: UserQuota = Field(UserQuota(), description="of these, at most so much for one person")

    @model_validator(mode="after")
    def _check(self) -> "Quota":
        for device in self.devices:
            check_device(device, "quota.devices")
        return self

    @property
    def limits(self) -> Amounts:
        """What is limited, and to how much. A device that is not named has the limit 0 (`limit_of`)."""
        names = ("servers", "jobs", "cpu", "memory", "homes", "storage", "checkpoint_bytes")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None} | self.devices


@dataclass(frozen=True)
class Holding:
    """What one person holds of a tenant: a server that is not asleep, a job that runs, a home, saved checkpoints."""

    user: str
    amounts: Amounts

    @property
    def passes(self) -> bool:
        """It is given back by itself sooner or later: waiting for it is not in vain."""
        return not self.amounts.keys().isdisjoint(("servers", "jobs"))


class Share(BaseModel):
    """One person's part of what is used."""

    model_config = ConfigDict(frozen=True)
    user: str
    amount: int


class Shortfall(BaseModel):
    """One resource of which there is not enough."""

    model_config = ConfigDict(frozen=True)
    resource: str
    scope: Literal["tenant", "user"] = Field(description="whose limit: all of the tenant's, or one person's")
    limit: int
    used: int
    wanted: int
    by: tuple[Share, ...] = Field((), description="who uses it, most first; of a person's own limit: that person")


class Books:
    """What is held of one tenant, summed once, so that many questions cost one count. More may be added."""

    def __init__(self, held: Iterable[Holding] = ()) -> None:
        self._shares: dict[str, dict[str, int]] = {}
        self._sums: dict[str, int] = {}
        for each in held:
            self.add(each)

    def add(self, holding: Holding) -> None:
        """Count `holding` too."""
        for resource, amount in holding.amounts.items():
            if amount:
                shares = self._shares.setdefault(resource, {})
                shares[holding.user] = shares.get(holding.user, 0) + amount
                self._sums[resource] = self._sums.get(resource, 0) + amount

    def of(self, user: str, resource: str) -> int:
        """How much of `resource` one person holds."""
        return self._shares.get(resource, {}).get(user, 0)

    def by(self, resource: str) -> tuple[Share, ...]:
        """Who holds how much of `resource`, most first."""
        shares = self._shares.get(resource, {})
        order = sorted(shares, key=lambda name: (-shares[name], name))
        return tuple(Share(user=user, amount=shares[user]) for user in order)

    def decide(self, quota: Quota, user: str, wanted: Amounts) -> tuple[Shortfall, ...]:
        """As the function `decide`."""
        limits, own = quota.limits, quota.per_user.limits
        found: list[Shortfall] = []
        for resource, amount in sorted(wanted.items()):
            limit, used = limit_of(limits, resource), self._sums.get(resource, 0)
            if limit is not None and used + amount > limit:
                values = {"limit": limit, "used": used, "wanted": amount, "by": self.by(resource)}
                found.append(Shortfall(resource=resource, scope="tenant", **values))
            limit, used = own.get(resource), self.of(user, resource)
            if limit is not None and used + amount > limit:
                by = (Share(user=user, amount=used),)
                found.append(Shortfall(resource=resource, scope="user", limit=limit, used=used, wanted=amount, by=by))
        return tuple(found)

    def fits(self, quota: Quota, user: str, wanted: Amounts) -> bool:
        """Whether `decide` finds nothing short, without finding the words."""
        limits, own = quota.limits, quota.per_user.limits
        for resource, amount in wanted.items():
            limit, mine = limit_of(limits, resource), own.get(resource)
            if limit is not None and self._sums.get(resource, 0) + amount > limit:
                return False
            if mine is not None and self.of(user, resource) + amount > mine:
                return False
        return True


def decide(quota: Quota, held: Iterable[Holding], user: str, wanted: Amounts) -> tuple[Shortfall, ...]:
    """What keeps `user` from getting `wanted` on top of what is `held` in the tenant; empty: it fits.

    Only the resources that `wanted` names are looked at, with 0 for "nothing more, but not while it is over". What is
    held already stays held, also above the limit: a lower quota refuses what is new and ends nothing.
    """
    return Books(held).decide(quota, user, wanted)


def limit_of(limits: Amounts, resource: str) -> int | None:
    """The tenant's limit of one resource; None: there is none. A device is never given without being named."""
    return limits.get(resource, 0 if "/" in resource else None)


def used_by(held: Iterable[Holding], resource: str) -> tuple[Share, ...]:
    """Who holds how much of `resource`, most first."""
    return Books(held).by(resource)


def amounts_of(profile: Profile, *, devices: bool) -> Amounts:
    """What one server of `profile` holds while it is not asleep; its `devices` where the engine gives any."""
    named = {"servers": 1, "cpu": profile.resources.cpu, "memory": profile.resources.memory}
    return named | (profile.kubernetes.devices if devices else {})


def amounts_of_job(profile: Profile) -> Amounts:
    """What one job with `profile`'s limits holds from when it is admitted until its container has ended."""
    return {"jobs": 1, "cpu": profile.resources.cpu, "memory": profile.resources.memory}

"""Profiles and tenants as the admin's files say: read again when a file changes, kept as they were when it is wrong."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from hubernate_core.errors import InvalidInput, NotFound
from hubernate_core.names import check_tenant_name
from hubernate_core.profile import Profile, read_profile
from hubernate_core.tenant import Tenant, TenantSettings

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Catalogue:
    """What may be started, by name."""

    def __init__(self, profiles_file: Path, tenants_file: Path) -> None:
        self._profiles_file, self._tenants_file = profiles_file, tenants_file
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._profiles: dict[str, Profile] = {}
        self.tenants: dict[str, dict[str, object]] = {}
        """Settings of each tenant by name, as `services.seeding` takes them."""

    def refresh(self, *, strict: bool = False) -> bool:
        """Read files that changed; whether the tenants did.

        Raises:
            InvalidInput: with `strict`, naming file and field; otherwise the old content stays and it is logged.
        """
        self._profiles = self._read(self._profiles_file, _profiles, self._profiles, strict=strict)
        before = self.tenants
        self.tenants = self._read(self._tenants_file, _tenants, before, strict=strict)
        return self.tenants != before

    def _read(self, path: Path, parse: Callable[[Any], _T], old: _T, *, strict: bool) -> _T:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._stamps.get(path) == stamp:
                return old
            self._stamps[path] = stamp
            return parse(json.loads(path.read_text()))
        except (OSError, ValueError, InvalidInput) as problem:
            if strict:
                raise InvalidInput(str(path), str(problem)) from problem
            _log.error(
                "catalogue not read, the former one stays", extra={"file": path.name, "error": str(problem)[:500]}
            )
            return old

    @property
    def names(self) -> frozenset[str]:
        """Every profile there is."""
        return frozenset(self._profiles)

    @property
    def devices(self) -> frozenset[str]:
        """Every device that some profile asks for on Kubernetes."""
        return frozenset(device for each in self._profiles.values() for device in each.kubernetes.devices)

    def allowed(self, tenant: Tenant) -> dict[str, Profile]:
        """The profiles that members of `tenant` may start."""
        return {name: each for name, each in self._profiles.items() if not tenant.profiles or name in tenant.profiles}

    def profile(self, name: str, tenant: Tenant) -> Profile:
        """The profile `name` if `tenant` may start it.

        Raises:
            NotFound: there is none; the same for one that the tenant may not have.
        """
        allowed = self.allowed(tenant)
        if name not in allowed:
            offered = ", ".join(sorted(allowed)) or "none"
            raise NotFound(f"no profile {name!r} for tenant {tenant.name!r}; offered: {offered}. Nothing was started")
        return allowed[name]


def _profiles(data: Any) -> dict[str, Profile]:
    if not isinstance(data, list):
        raise InvalidInput("profiles", "the file holds a list of profiles")
    return {profile.name: profile for profile in map(read_profile, data)}


def _tenants(data: Any) -> dict[str, dict[str, object]]:
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise InvalidInput("tenants", "the file holds a list of tenants, each with a name")
    found: dict[str, dict[str, object]] = {}
    for each in data:
        name = check_tenant_name(str(each.get("name", "")))
        try:
            tenant = TenantSettings.model_validate({key: value for key, value in each.items() if key != "name"})
        except ValidationError as problem:
            first = problem.errors()[0]
            raise InvalidInput(f"{name}.{'.'.join(map(str, first['loc']))}", first["msg"]) from problem
        found[name] = tenant.model_dump(mode="json")
    return found

"""A source of data: what it is, where it lies, who of the tenant may read or write it. Frozen; no secret in sight."""

import re
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from .errors import InvalidInput, shorten
from .names import SourceId, TenantId, normalise_user
from .source_place import Place

_NAME = re.compile(r"[a-z](?:[a-z0-9]|[-_](?=[a-z0-9])){0,39}")
_SECRET_MAX = 8192


class Level(StrEnum):
    """What a grant allows; each includes the one before."""

    NONE = "none"
    READ = "read"
    WRITE = "write"

    def allows(self, wanted: "Level") -> bool:
        """Whether this level is at least `wanted`."""
        order = (Level.NONE, Level.READ, Level.WRITE)
        return order.index(self) >= order.index(wanted)


class Grants(BaseModel):
    """Who may do what: everybody in the tenant, and members by name, who get the higher of the two."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tenant: Level = Level.READ
    members: dict[str, Level] = Field({}, max_length=1000, description="user name → level")

    @field_validator("members")
    @classmethod
    def _members(cls, members: dict[str, Level]) -> dict[str, Level]:
        return {normalise_user(name): level for name, level in members.items()}

    def level_of(self, user: str) -> Level:
        """The level of the normalised `user`, a member of the tenant."""
        own = self.members.get(user, Level.NONE)
        return own if own.allows(self.tenant) else self.tenant


class SourceSpec(BaseModel):
    """What an admin writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="in hub://NAME/… and on pages: lower-case letters, digits, hyphens, underscores")
    title: str = Field("", max_length=100)
    description: str = Field("", max_length=2000)
    place: Place
    grants: Grants = Grants()

    _name = field_validator("name")(lambda text: check_source_name(text))

    @property
    def writable_kind(self) -> bool:
        """Whether anything can be written to a place of this kind."""
        return self.place.kind in ("s3", "files")


class Source(SourceSpec):
    """A registered source. Its credential is not in it: only that there is one, and since when."""

    id: SourceId
    tenant_id: TenantId
    has_credential: bool = False
    credential_changed_at: datetime | None = None
    created_by: str = ""
    changed_at: datetime
    version: int = Field(1, description="grows with every change, also of the credential")

    @property
    def spec(self) -> SourceSpec:
        """What an admin wrote."""
        return SourceSpec.model_validate({name: getattr(self, name) for name in SourceSpec.model_fields})


class Credential(BaseModel):
    """What opens a place, by name: ``access_key_id``, ``secret_access_key``, ``password``, ``token``. Never shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    values: dict[str, SecretStr] = Field(max_length=4)

    def revealed(self) -> dict[str, str]:
        """The plain values: for the cipher and for the worker that opens the place, nobody else."""
        return {name: value.get_secret_value() for name, value in self.values.items()}


def check_credential(place: Place, credential: Credential) -> None:
    """Refuse a credential that is not the place's.

    Raises:
        InvalidInput: naming what is missing or too much, never a value.
    """
    given = set(credential.values)
    if given != place.needs:
        wanted = ", ".join(sorted(place.needs)) or "none"
        raise InvalidInput("credential.values", f"a {place.kind} source takes exactly: {wanted}")
    for name, value in credential.revealed().items():
        if not value or len(value) > _SECRET_MAX or any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            raise InvalidInput(f"credential.values.{name}", "is empty, too long or has a control character")


def check_source_name(text: str) -> str:
    """`text` if it can name a source.

    Raises:
        InvalidInput: it cannot.
    """
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            "name", f"{shorten(text, 50)!r}: use 1 to 40 lower-case letters, digits, inner '-' and '_', a letter first"
        )
    return text

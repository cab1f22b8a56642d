"""Where a source's data lies, one model a kind. Strict: what is not named here cannot be said (B18-B20). Pure."""

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from .errors import InvalidInput, shorten
from .source_address import WORD, PlaceModel, check_host, check_url, matching
from .source_hadoop import HdfsPlace, HivePlace
from .source_path import join_path, overlap, split_path

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_PARAMETERS: dict[str, frozenset[str]] = {
    "postgresql": frozenset({"application_name", "target_session_attrs"}),
    "mariadb": frozenset({"charset"}),
}
"""Driver parameters that cannot weaken encryption, read files of ours or run statements (B20)."""


class S3Place(PlaceModel):
    """A bucket, or what lies under a prefix of it, in S3 or a store that speaks its protocol (OSS, MinIO, Ceph)."""

    kind: Literal["s3"]
    bucket: str
    prefix: str = Field("", description="folder in the bucket; nothing outside of it can be reached")
    endpoint: str = Field("", description="http(s)://host[:port] of the store; empty: Amazon's, by region")
    region: str = "us-east-1"
    addressing: Literal["auto", "path", "virtual"] = "auto"

    @field_validator("bucket")
    @classmethod
    def _bucket(cls, text: str) -> str:
        return matching(_BUCKET, text, "bucket", "use 3 to 63 lower-case letters, digits, dots and hyphens")

    @field_validator("region")
    @classmethod
    def _region(cls, text: str) -> str:
        return matching(_REGION, text, "region", "use lower-case letters, digits and hyphens")

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, text: str) -> str:
        return join_path(split_path(text, "prefix"))

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, text: str) -> str:
        return check_url(text, "endpoint", path=False).rstrip("/") if text else ""

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values."""
        return frozenset({"access_key_id", "secret_access_key"})


class HttpPlace(PlaceModel):
    """Files below one URL, read-only."""

    kind: Literal["http"]
    url: str = Field(description="http(s)://host[:port]/folder/; nothing above it can be reached")

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        return check_url(text, "url", path=True).rstrip("/") + "/"

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values."""
        return frozenset({"token"})


class DatabasePlace(PlaceModel):
    """A database by the parts of its URL: never a URL, in which anything can be hidden."""

    kind: Literal["postgresql", "mariadb"]
    host: str
    port: int = Field(0, ge=0, le=65535, description="0: the kind's own, 5432 or 3306")
    database: str
    user: str
    tls: Literal["verify", "require", "off"] = Field(
        "verify",
        description="'verify': encrypted, name and certificate checked; 'require': encrypted; 'off': only where the"
        " platform admin opened the network",
    )
    parameters: dict[str, str] = Field({}, max_length=8, description="driver parameters, of a short list")

    @field_validator("host")
    @classmethod
    def _host(cls, text: str) -> str:
        return check_host(text, "host")

    @field_validator("database", "user")
    @classmethod
    def _word(cls, text: str, about: ValidationInfo) -> str:
        return matching(WORD, text, about.field_name or "", "use letters, digits and '_.@-', at most 63")

    @model_validator(mode="after")
    def _known_parameters(self) -> "DatabasePlace":
        allowed = _PARAMETERS[self.kind]
        for name, value in self.parameters.items():
            if name not in allowed:
                known = ", ".join(sorted(allowed))
                raise InvalidInput("parameters", f"{shorten(name, 40)!r} is not allowed for {self.kind}; use {known}")
            matching(WORD, value, f"parameters.{name}", "use letters, digits and '_.@-', at most 63")
        return self

    @property
    def port_or_default(self) -> int:
        """The port to connect to."""
        return self.port or (5432 if self.kind == "postgresql" else 3306)

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values."""
        return frozenset({"password"})


class FilesPlace(PlaceModel):
    """A folder that the platform admin named in the service's settings, or what lies under a prefix of it."""

    kind: Literal["files"]
    folder: str = Field(description="a name in c.DataGateway.folders")
    prefix: str = ""

    @field_validator("folder")
    @classmethod
    def _folder(cls, text: str) -> str:
        return matching(WORD, text, "folder", "use letters, digits and '_.-'")

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, text: str) -> str:
        return join_path(split_path(text, "prefix"))

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values: it has none."""
        return frozenset()


Place = Annotated[S3Place | HttpPlace | DatabasePlace | FilesPlace | HdfsPlace | HivePlace, Field(discriminator="kind")]


def clash(one: Place, other: Place) -> bool:
    """Whether two places hold the same data, so that two grants would contradict each other."""
    if isinstance(one, S3Place) and isinstance(other, S3Place):
        same = (one.endpoint, one.bucket) == (other.endpoint, other.bucket)
        return same and overlap(split_path(one.prefix), split_path(other.prefix))
    if isinstance(one, FilesPlace) and isinstance(other, FilesPlace):
        return one.folder == other.folder and overlap(split_path(one.prefix), split_path(other.prefix))
    if isinstance(one, HdfsPlace) and isinstance(other, HdfsPlace):
        same = bool(one.name_nodes & other.name_nodes)
        return same and overlap(split_path(one.prefix), split_path(other.prefix))
    if isinstance(one, HivePlace) and isinstance(other, HivePlace):
        return (one.host, one.port) == (other.host, other.port) and bool(set(one.databases) & set(other.databases))
    if isinstance(one, DatabasePlace) and isinstance(other, DatabasePlace):
        facts = [(each.kind, each.host, each.port_or_default, each.database) for each in (one, other)]
        return facts[0] == facts[1]
    return False

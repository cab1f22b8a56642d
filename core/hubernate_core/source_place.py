"""Where a source's data lies, one model a kind. Strict: what is not named here cannot be said (B18-B20). Pure."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .errors import InvalidInput, shorten
from .source_path import join_path, overlap, split_path

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}")
_PARAMETERS: dict[str, frozenset[str]] = {
    "postgresql": frozenset({"application_name", "target_session_attrs"}),
    "mariadb": frozenset({"charset"}),
}
"""Driver parameters that cannot weaken encryption, read files of ours or run statements (B20)."""


class _Place(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class S3Place(_Place):
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
        return _matching(_BUCKET, text, "bucket", "use 3 to 63 lower-case letters, digits, dots and hyphens")

    @field_validator("region")
    @classmethod
    def _region(cls, text: str) -> str:
        return _matching(_REGION, text, "region", "use lower-case letters, digits and hyphens")

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


class HttpPlace(_Place):
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


class DatabasePlace(_Place):
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
    def _word(cls, text: str) -> str:
        return _matching(_WORD, text, "name", "use letters, digits and '_.@-', at most 63")

    @model_validator(mode="after")
    def _known_parameters(self) -> "DatabasePlace":
        allowed = _PARAMETERS[self.kind]
        for name, value in self.parameters.items():
            if name not in allowed:
                known = ", ".join(sorted(allowed))
                raise InvalidInput("parameters", f"{shorten(name, 40)!r} is not allowed for {self.kind}; use {known}")
            _matching(_WORD, value, f"parameters.{name}", "use letters, digits and '_.@-', at most 63")
        return self

    @property
    def port_or_default(self) -> int:
        """The port to connect to."""
        return self.port or (5432 if self.kind == "postgresql" else 3306)

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values."""
        return frozenset({"password"})


class FilesPlace(_Place):
    """A folder that the platform admin named in the service's settings, or what lies under a prefix of it."""

    kind: Literal["files"]
    folder: str = Field(description="a name in c.DataGateway.folders")
    prefix: str = ""

    @field_validator("folder")
    @classmethod
    def _folder(cls, text: str) -> str:
        return _matching(_WORD, text, "folder", "use letters, digits and '_.-'")

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, text: str) -> str:
        return join_path(split_path(text, "prefix"))

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values: it has none."""
        return frozenset()


Place = Annotated[S3Place | HttpPlace | DatabasePlace | FilesPlace, Field(discriminator="kind")]


def clash(one: Place, other: Place) -> bool:
    """Whether two places hold the same data, so that two grants would contradict each other."""
    if isinstance(one, S3Place) and isinstance(other, S3Place):
        same = (one.endpoint, one.bucket) == (other.endpoint, other.bucket)
        return same and overlap(split_path(one.prefix), split_path(other.prefix))
    if isinstance(one, FilesPlace) and isinstance(other, FilesPlace):
        return one.folder == other.folder and overlap(split_path(one.prefix), split_path(other.prefix))
    if isinstance(one, DatabasePlace) and isinstance(other, DatabasePlace):
        facts = [(each.kind, each.host, each.port_or_default, each.database) for each in (one, other)]
        return facts[0] == facts[1]
    return False


def check_host(text: str, field: str) -> str:
    """`text` if it is a DNS name or a dotted IPv4 address in lower case; what it resolves to is judged at connection.

    Raises:
        InvalidInput: a socket path, brackets, a trailing dot, another spelling of an address, IDN in Unicode.
    """
    if not _HOST.fullmatch(text) or (text.replace(".", "").isdigit() and not _is_dotted(text)) or "0x" in text:
        raise InvalidInput(field, f"{shorten(text, 80)!r} is not a host name such as 'db.example.com' or '10.0.0.5'")
    return text


def check_url(text: str, field: str, *, path: bool) -> str:
    """`text` if it is a plain http(s) URL without user, query or fragment.

    Raises:
        InvalidInput: another scheme, credentials, a query, a fragment, a dot segment, or a path where none belongs.
    """
    shown = shorten(text, 80).partition("@")[2] or shorten(text, 80)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as problem:
        raise InvalidInput(field, f"{shown!r} is not a URL") from problem
    if url.scheme not in ("http", "https"):
        raise InvalidInput(field, f"{shown!r}: use http:// or https://")
    if "@" in url.netloc or "\\" in text or not text.isascii() or any(ord(char) <= 0x20 for char in text):
        raise InvalidInput(field, f"{shown!r}: no user, password, space or backslash; secrets are a credential")
    if "?" in text or "#" in text:
        raise InvalidInput(field, f"{shown!r}: no query and no fragment")
    check_host(url.hostname or "", field)
    if port == 0 or url.netloc.endswith(":"):
        raise InvalidInput(field, f"{shown!r} has no valid port")
    if url.path not in ("", "/") and not path:
        raise InvalidInput(field, f"{shown!r}: scheme, host and port only")
    if "%" in url.path:
        raise InvalidInput(field, f"{shown!r}: no percent escapes")
    split_path(url.path.removeprefix("/"), field)
    return text


def _is_dotted(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(str(int(part)) == part and int(part) <= 255 for part in parts)


def _matching(pattern: re.Pattern[str], text: str, field: str, rule: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidInput(field, f"{shorten(text, 60)!r}: {rule}")
    return text

"""Where data of a Hadoop cluster lies: files in HDFS, tables of a Hive metastore. Strict, as every place. Pure."""

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from .errors import InvalidInput, shorten
from .source_address import WORD, PlaceModel, check_host, check_url, matching
from .source_path import join_path, split_path

_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?")
_DATABASE = re.compile(r"[a-z0-9_]{1,128}")


class HdfsPlace(PlaceModel):
    """A folder in HDFS, by WebHDFS: a name node's, HttpFS's or a Knox gateway's. Read only."""

    kind: Literal["hdfs"]
    url: str = Field(description="http(s)://host:port of the name node, HttpFS, or Knox with its path; no /webhdfs/v1")
    standby_url: str = Field("", description="the other name node of a pair, asked where the first one is on standby")
    prefix: str = Field("", description="folder; nothing outside of it can be reached")
    user: str = Field("", description="who reads, on a cluster that believes names; empty with a delegation token")
    authority: str = Field(
        "",
        description="what Hive writes in hdfs://…/ for this cluster, such as 'nameservice1'; empty: the host of `url`",
    )

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        return check_url(text, "url", path=True).rstrip("/")

    @field_validator("standby_url")
    @classmethod
    def _standby_url(cls, text: str) -> str:
        return check_url(text, "standby_url", path=True).rstrip("/") if text else ""

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, text: str) -> str:
        parts = split_path(text, "prefix")
        if parts[:1] == (".reserved",):
            # There every file has a second name, by its number: two sources could hold the same unseen.
            raise InvalidInput("prefix", f"{shorten(text, 80)!r} is a name node's own; name the folder itself")
        return join_path(parts)

    @field_validator("user")
    @classmethod
    def _user(cls, text: str) -> str:
        return matching(WORD, text, "user", "use letters, digits and '_.@-', at most 63") if text else ""

    @field_validator("authority")
    @classmethod
    def _authority(cls, text: str) -> str:
        rule = "use what stands in hdfs://…/, such as 'nameservice1' or 'nn.example.com:8020'"
        return matching(_AUTHORITY, text, "authority", rule) if text else ""

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values: of a delegation token, where there is one."""
        return frozenset({"token"})

    @property
    def name_nodes(self) -> frozenset[str]:
        """Host and port of whoever answers for the cluster."""
        return frozenset(urlsplit(url).netloc for url in (self.url, self.standby_url) if url)


class HivePlace(PlaceModel):
    """Databases of a Hive metastore: what its tables are. Their rows lie in other sources, of kind s3 or hdfs."""

    kind: Literal["hive"]
    host: str
    port: int = Field(9083, ge=1, le=65535)
    databases: tuple[str, ...] = Field(
        min_length=1, max_length=50, description="Hive databases that the source shows; no other can be named"
    )
    user: str = Field("", description="who asks, told to the metastore, which believes it")
    tls: Literal["verify", "off"] = Field(
        "verify", description="'verify': encrypted and checked; 'off': only where the platform admin opened the network"
    )

    @field_validator("host")
    @classmethod
    def _host(cls, text: str) -> str:
        return check_host(text, "host")

    @field_validator("databases")
    @classmethod
    def _databases(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        rule = "use Hive's spelling: lower-case letters, digits and '_'"
        return tuple(dict.fromkeys(matching(_DATABASE, name, "databases", rule) for name in names))

    @field_validator("user")
    @classmethod
    def _user(cls, text: str) -> str:
        return matching(WORD, text, "user", "use letters, digits and '_.@-', at most 63") if text else ""

    @property
    def needs(self) -> frozenset[str]:
        """Names of its credential's values: it has none."""
        return frozenset()

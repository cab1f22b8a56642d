"""Which source holds what a Hive table's location names: by bucket or cluster and components, not as text. Pure."""

from urllib.parse import urlsplit

from .errors import InvalidInput, shorten
from .source_hadoop import HdfsPlace
from .source_path import contains, split_path
from .source_place import Place, S3Place

_S3 = ("s3", "s3a", "s3n", "oss")


def folder_in(place: Place, location: str) -> tuple[str, ...] | None:
    """The folder below the place's root that `location` is; None: it lies elsewhere.

    Args:
        location: as a metastore keeps it, ``s3a://bucket/a/b`` or ``hdfs://cluster/a/b``: a Hadoop path, no URL, so
            that ``%`` and ``#`` in it are themselves.

    Raises:
        InvalidInput: it has a ``..`` or something else that no folder has.
    """
    scheme, _, rest = location.partition("://")
    authority, _, path = rest.partition("/")
    if isinstance(place, S3Place):
        same = scheme in _S3 and authority == place.bucket
    elif isinstance(place, HdfsPlace):
        same = scheme == "hdfs" and _names(place, authority)
    else:
        return None
    if not same:
        return None
    try:
        whole = split_path("/".join(part for part in path.split("/") if part))
    except InvalidInput as problem:
        raise InvalidInput("location", f"{shorten(location, 120)!r}: {problem.reason}") from problem
    prefix = split_path(place.prefix)
    return whole[len(prefix) :] if contains(prefix, whole) else None


def _names(place: HdfsPlace, authority: str) -> bool:
    if place.authority:
        return authority == place.authority
    hosts = {urlsplit(url).hostname for url in (place.url, place.standby_url) if url}
    return bool(authority) and authority.partition(":")[0] in hosts

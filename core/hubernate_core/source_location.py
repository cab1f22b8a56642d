"""Which source holds what a Hive table's location names: by bucket or cluster and components, not as text. Pure."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from .errors import Conflict, InvalidInput, NotAllowed, shorten
from .source_hadoop import HdfsPlace
from .source_path import contains, split_path
from .source_place import Place, S3Place

_S3 = ("s3", "s3a", "s3n", "oss")
_PARENTS_MAX = 1000


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


def holder(places: Mapping[str, Place], locations: Sequence[str], table: str) -> tuple[str, list[tuple[str, ...]]]:
    """The one source, of `places` by name, that covers every location of a table, and the folders there.

    The source of the first location is tried for the others, beside those only that could be meant further down, so
    that thousands of partitions cost no more than looking at each once.

    Raises:
        NotAllowed: none covers a location.
        Conflict: more than one does.
        InvalidInput: they lie in several sources, or in more folders than are read at once.
    """
    if len({each.rstrip("/").rpartition("/")[0] for each in locations}) > _PARENTS_MAX:
        raise InvalidInput("where", f"partitions of {table} lie in over {_PARENTS_MAX} folders; add a condition")
    name, _ = _only(places, locations[0], table)
    roots: dict[str, dict[str, Place]] = {}
    folders = []
    for location in locations:
        root = location[: location.find("/", location.find("://") + 3) + 1]
        if root not in roots:
            roots[root] = {
                each: place for each, place in places.items() if each == name or _within(place, places[name], root)
            }
        if folder_in(places[name], location) is None:
            other, _ = _only(places, location, table)
            found = ", ".join(sorted((name, other)))
            raise InvalidInput("where", f"these partitions of {table} lie in several sources ({found}); ask for fewer")
        folders.append(_only(roots[root], location, table)[1])
    return name, folders


def _only(places: Mapping[str, Place], location: str, table: str) -> tuple[str, tuple[str, ...]]:
    held = {name: folder for name, place in places.items() if (folder := folder_in(place, location)) is not None}
    where = f"rows of {table} lie in {shorten(location, 200)}, which"
    if not held:
        raise NotAllowed(
            f"{where} no source that you may read covers; an admin registers one of kind s3 or hdfs there, or grants it"
            " to you"
        )
    if len(held) > 1:
        raise Conflict(
            f"{where} the sources {', '.join(sorted(held))} could both be, at different stores; an admin keeps the"
            " right one"
        )
    return next(iter(held.items()))


def _within(place: Place, outer: Place, root: str) -> bool:
    """Whether locations that begin with `root` could be in both, further down than `outer` begins."""
    if not isinstance(place, S3Place | HdfsPlace) or not isinstance(outer, S3Place | HdfsPlace):
        return False
    inside = contains(split_path(outer.prefix), split_path(place.prefix))
    return inside and folder_in(place, root + place.prefix) is not None


def _names(place: HdfsPlace, authority: str) -> bool:
    if place.authority:
        return authority == place.authority
    hosts = {urlsplit(url).hostname for url in (place.url, place.standby_url) if url}
    return bool(authority) and authority.partition(":")[0] in hosts

"""What Docker Engine's answers mean, wherever one asks: the spawner for notebooks, the platform service for jobs. Pure.

Source: Docker Engine API 1.41; moby distribution/errors.go for the wordings of a failed pull.
"""

from collections.abc import Iterable

from ..errors import Conflict, HubernateError, NotFound, Unavailable, shorten
from .docker import BRIDGE, ICC, JsonObject, NetworkSpec


def pull_error(reference: str, said: str) -> HubernateError:
    """The engine reports a failed pull as text in a 200 answer."""
    if any(word in said for word in ("manifest unknown", "not found", "does not exist")):
        return NotFound(f"the registry has no {reference}: {shorten(said, 200)}")
    return Unavailable(f"could not pull {reference}: {shorten(said, 300)}")


def has_network(listed: Iterable[JsonObject], spec: NetworkSpec) -> bool:
    """Whether a tenant's network is among those that the engine lists; its name filter finds substrings too.

    Raises:
        Conflict: one of that name is not ours, or was made otherwise.
    """
    found = [each for each in listed if each["Name"] == spec.name]
    if not found:
        return False
    labels, options = found[0].get("Labels") or {}, found[0].get("Options") or {}
    ours = all(labels.get(key) == value for key, value in spec.labels.items())
    same = found[0]["Driver"] == "bridge" and all(options.get(key) == spec.options[key] for key in (ICC, BRIDGE))
    if len(found) > 1 or not ours or not same:
        raise Conflict(
            f"network {spec.name!r} exists but was not made by this installation as it would make it; it was left"
            " alone. Nothing was started. An admin should look at it with 'docker network inspect' and rename it.",
            network=spec.name,
        )
    return True

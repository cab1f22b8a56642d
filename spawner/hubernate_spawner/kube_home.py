"""The claim of a person's home: made once, enlarged when the tenant's setting grew, never deleted or taken over."""

import contextlib
import logging

from hubernate_core.errors import Broken, Conflict, NotAllowed, NotFound
from hubernate_core.manifests.server import ServerSpec, make_home_claim
from hubernate_core.quantity import format_bytes, parse_bytes, show_bytes

from .kube_api import JsonObject, KubeApi
from .kube_errors import QuotaRefused
from .lifecycle import patient
from .progress import Log
from .start import PATIENCE_S

log = logging.getLogger(__name__)


async def ensure_home(api: KubeApi, known: dict[tuple[str, str], int], spec: ServerSpec, told: Log) -> None:
    """Make the claim unless it is there; no request at all once it is known with at least the wanted size.

    Raises:
        Conflict: a claim of that name is not ours, or is being deleted; it is left alone.
        QuotaRefused: the team has no room for another home.
        Broken: its volume is lost.
    """
    key, wanted = (spec.placement.namespace, spec.claim), spec.placement.home_size
    if known.get(key, 0) < wanted:
        await patient(lambda: _ensure(api, spec, told), told, PATIENCE_S, "the Kubernetes API")
        known[key] = wanted


async def _ensure(api: KubeApi, spec: ServerSpec, told: Log) -> None:
    """One request where the guess is right: the home of a server's first start is most likely not there yet."""
    namespace, name = spec.placement.namespace, spec.claim
    found = await _make(api, spec, told) if spec.generation == 1 else None
    if found is None:
        try:
            found = await api.read_claim(namespace, name)
        except NotFound:
            found = await _make(api, spec, told) or await api.read_claim(namespace, name)
    _check(found, spec)
    if _size(found) < spec.placement.home_size:
        await _enlarge(api, spec, told)


async def _make(api: KubeApi, spec: ServerSpec, told: Log) -> JsonObject | None:
    """The claim as it was made; None if one of that name is there, of an earlier server or a faster one."""
    try:
        made = await api.create_claim(make_home_claim(spec))
    except Conflict:
        return None
    except QuotaRefused:
        # The cluster looks at the quota before the name: it may be there all the same.
        with contextlib.suppress(NotFound):
            return await api.read_claim(spec.placement.namespace, spec.claim)
        raise
    told.add("Made your home volume", 11)
    return made


async def _enlarge(api: KubeApi, spec: ServerSpec, told: Log) -> None:
    size = spec.placement.home_size
    try:
        await api.enlarge_claim(spec.placement.namespace, spec.claim, format_bytes(size))
        told.add(f"Enlarging your home volume to {show_bytes(size)}", 11)
    except (NotAllowed, Broken) as problem:  # a StorageClass without expansion, or no quota: the home works as it is
        log.warning("a home stays smaller than its team's setting", extra={**problem.ids, "cause": problem.message})
        told.add("Your home volume could not be enlarged; it stays as large as it is", 11)


def _check(claim: JsonObject, spec: ServerSpec) -> None:
    labels = claim["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in spec.owner_labels.items()):
        raise Conflict(
            f"claim {spec.claim!r} exists but was not made by this installation for you; it was left alone and nothing"
            " was started. An admin should look at it with 'kubectl describe pvc'",
            claim=spec.claim,
        )
    if "deletionTimestamp" in claim["metadata"]:
        raise Conflict(
            f"somebody deletes your home volume {spec.claim!r}; nothing was started on it. Ask your admin before you"
            " start again: a new, empty one would be made",
            claim=spec.claim,
        )
    if (claim.get("status") or {}).get("phase") == "Lost":
        raise Broken(f"the volume behind home {spec.claim!r} is lost; an admin has to look", claim=spec.claim)


def _size(claim: JsonObject) -> int:
    asked = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return parse_bytes(str(asked.get("storage", "1Ki")), "storage")

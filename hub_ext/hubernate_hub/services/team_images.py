"""Team images: promoted from a checkpoint, copied in the registry by an agent, offered, retired, and forgotten at last.

An image has a repository of its own inside the tenant's prefix and the checkpoint's digest, so that the checkpoint may
go while the image is offered. A server that starts from it stands on it as on a profile's image: nothing else about
saving and resuming is different. It goes from the registry when it is retired and nothing stands on it any more.
"""

from dataclasses import dataclass

from hubernate_core import refusal
from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import Conflict, NotFound, OverQuota
from hubernate_core.image_ref import ImageReference
from hubernate_core.names import CheckpointId, TeamImageId, new_id, team_image_repository
from hubernate_core.profile import Profile
from hubernate_core.quota import decide
from hubernate_core.team_image import MadeFrom, TeamImage, contents
from hubernate_core.tenant import Tenant
from hubernate_core.wire import Copied, Copy

from ..actor import Actor
from ..context import Work
from ..store import checkpoints, servers, team_images, tenants
from ..store.servers import ServerRow
from ..store.tenants import TenantRow
from . import ledger
from .deeds import Deed, note

_MOST = 50
"""Offered by one tenant at the same time: the start form shows them all."""


@dataclass(frozen=True)
class Promotion:
    """What an admin wants offered."""

    checkpoint: CheckpointId
    name: str
    title: str


def promote(work: Work, actor: Actor, row: TenantRow, wanted: Promotion, *, confirmed: bool) -> TeamImage:
    """Offer a checkpoint of the tenant, which the caller holds, to its members.

    Raises:
        NotFound: the tenant has no such checkpoint.  Broken: its record is not ours.
        Conflict: its image is missing, the name is taken, or what is in it was not confirmed.
        OverQuota: the tenant's checkpoints take too much room already.
    """
    found, server = _checkpoint(work, row, wanted.checkpoint)
    offered = team_images.of_tenants(work.tx, [row.id])
    if len(offered) >= _MOST:
        raise Conflict(f"team {row.name!r} offers {_MOST} images already; retire one first")
    if any(each.name == wanted.name for each in offered):
        raise Conflict(f"there is a team image {wanted.name!r} already; retire it first, or choose another name")
    work.context.catalogue.profile(found.profile, row.tenant)
    whole = decide(row.tenant.quota, ledger.held_in(work, row.tenant), "", {"checkpoint_bytes": found.size})
    short = [each for each in whole if each.scope == "tenant"]  # towards nobody's own limit
    if short:
        told = " ".join(refusal.reason(row.tenant.title or row.name, each) for each in short)
        raise OverQuota(f"{told} Nothing was offered", [each.model_dump(mode="json") for each in short])
    if not confirmed:
        raise Conflict(
            f"{contents(found, server.user)}. Nothing was offered yet; ask again with confirm=contents if all of it is"
            " meant for the team",
            confirm="contents",
        )
    image = _image(work, actor, found, server, wanted)
    team_images.add(work.tx, image)
    what = {"image": image.name, "checkpoint": found.id, "of": server.user, "digest": image.digest}
    note(work, actor, Deed("image.promote", image.name, row.id, after=what))
    return image


def _checkpoint(work: Work, row: TenantRow, wanted: CheckpointId) -> tuple[Checkpoint, ServerRow]:
    found = checkpoints.get(work.tx, wanted)
    server = None if found is None else servers.lock(work.tx, found.server_id)
    found = checkpoints.get(work.tx, wanted)  # as it is now that nobody changes it
    if found is None or server is None or found.tenant_id != row.id:
        raise NotFound(f"team {row.name!r} has no such checkpoint; nothing was offered")
    if not found.usable:
        raise Conflict("this checkpoint's image is missing from the registry; choose another")
    work.context.signer.check(found)
    return found, server


def _image(work: Work, actor: Actor, found: Checkpoint, server: ServerRow, wanted: Promotion) -> TeamImage:
    identity = TeamImageId(new_id())
    return TeamImage(
        id=identity,
        tenant_id=found.tenant_id,
        name=wanted.name,
        title=wanted.title or wanted.name,
        profile=found.profile,
        repository=team_image_repository(found.tenant_id, identity),
        digest=found.digest,
        source=f"{found.repository}@{found.digest}",
        made_from=MadeFrom(
            checkpoint=found.id,
            user=server.user,
            server_name=server.name,
            saved_at=found.created_at,
            changed_bytes=found.changed_bytes,
            largest=found.largest,
            notes=found.notes,
        ),
        size=found.size,
        created_by=actor.name,
        created_at=work.now,
    )


def retire(work: Work, actor: Actor, row: TenantRow, name: str) -> None:
    """Offer an image no more. What runs from it goes on, and what was saved on top of it can be resumed.

    Raises:
        NotFound: the tenant offers none of that name.
    """
    image = team_images.find(work.tx, row.id, name)
    if image is None:
        raise NotFound(f"team {row.name!r} offers no image {name!r}")
    team_images.change(work.tx, image.id, retired_at=work.now)
    note(work, actor, Deed("image.retire", image.name, row.id, before={"image": image.name, "digest": image.digest}))


def startable(work: Work, tenant: Tenant) -> dict[str, tuple[TeamImage, Profile]]:
    """Images that members of `tenant` can start now, by name, each as the profile it makes."""
    allowed = work.context.catalogue.allowed(tenant)
    return {
        each.name: (each, _as_profile(work, each, allowed[each.profile]))
        for each in team_images.of_tenants(work.tx, [tenant.id])
        if each.offered_at is not None and each.profile in allowed
    }


def profile_of(work: Work, tenant: Tenant, name: str) -> Profile:
    """The team image `name` as the profile that a start of it runs on.

    Raises:
        NotFound: the tenant offers none of that name.  Conflict: it is not ready yet.
    """
    known = startable(work, tenant)
    if name in known:
        return known[name][1]
    image = team_images.find(work.tx, tenant.id, name)
    if image is not None and image.offered_at is None:
        raise Conflict(f"team image {name!r} is being prepared; try again in a minute. Nothing was started")
    raise NotFound(f"your team offers no image {name!r} (it offers: {', '.join(known) or 'none'}); nothing was started")


def _as_profile(work: Work, image: TeamImage, profile: Profile) -> Profile:
    reference = ImageReference(str(work.context.settings.registry), image.repository, digest=image.digest)
    return profile.model_copy(update={"image": str(reference), "title": image.title})


def base_repository(work: Work, checkpoint: Checkpoint, otherwise: str) -> str:
    """Where the image lies that a checkpoint stands on: a team image's own repository, or the profile's."""
    image = team_images.with_digest(work.tx, checkpoint.tenant_id, checkpoint.base_digest)
    return otherwise if image is None else image.repository


def copies(work: Work) -> tuple[Copy, ...]:
    """What an agent, whichever comes first, shall copy."""
    return tuple(Copy(source=each.source, repository=each.repository) for each in team_images.to_copy(work.tx))


def copied(work: Work, done: Copied) -> None:
    """Take in what became of a copy. One that nobody wants any more is deleted again."""
    image = team_images.by_reference(work.tx, done.reference)
    if image is None:
        if not done.problem and _is_of_an_image(done.reference):
            checkpoints.forget(work.tx, done.reference, "", work.now)
    elif image.offered_at is None:
        offered = None if done.problem else work.now
        team_images.change(work.tx, image.id, offered_at=offered, problem=done.problem)


def _is_of_an_image(reference: str) -> bool:
    tenant, _, rest = reference.partition("/")
    return tenant.startswith("t-") and rest.startswith("i-")


def sweep(work: Work) -> list[TeamImage]:
    """Forget retired images that nothing stands on; which they were."""
    gone = []
    for tenant in sorted({each.tenant_id for each in team_images.unneeded(work.tx)}):
        tenants.lock(work.tx, tenant)  # no start chooses one meanwhile
        for each in team_images.unneeded(work.tx):
            if each.tenant_id == tenant:
                checkpoints.forget(work.tx, each.reference, "", work.now)
                team_images.drop(work.tx, each.id)
                gone.append(each)
    return gone

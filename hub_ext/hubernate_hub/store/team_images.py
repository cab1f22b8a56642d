"""Team images' rows. One that is retired stays until nothing stands on it."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, delete, exc, exists, func, insert, or_, select, update

from hubernate_core.errors import Conflict
from hubernate_core.names import TeamImageId, TenantId
from hubernate_core.team_image import TeamImage

from .database import Tx
from .schema import checkpoints, servers, team_images, tenants


def _row(row: Row[Any]) -> TeamImage:
    return TeamImage.model_validate(dict(row._mapping))


def add(tx: Tx, image: TeamImage) -> None:
    """Record an image that is to be offered.

    Raises:
        Conflict: the tenant offers one of that name.
    """
    values = image.model_dump(exclude={"made_from"}) | {"made_from": image.made_from.model_dump(mode="json")}
    try:
        tx.execute(insert(team_images).values(**values))
    except exc.IntegrityError as problem:
        raise Conflict(
            f"there is a team image {image.name!r} already; retire it first, or choose another name", image=image.name
        ) from problem


def change(tx: Tx, image: TeamImageId, **values: object) -> None:
    """Set columns of one image."""
    tx.execute(update(team_images).where(team_images.c.id == image).values(**values))


def drop(tx: Tx, image: TeamImageId) -> None:
    """Forget an image that nothing stands on."""
    tx.execute(delete(team_images).where(team_images.c.id == image))


def of_tenants(tx: Tx, known: Iterable[TenantId]) -> list[TeamImage]:
    """Images of `known` that are not retired, by name."""
    query = select(team_images).where(
        team_images.c.tenant_id.in_(sorted(set(known))), team_images.c.retired_at.is_(None)
    )
    return [_row(row) for row in tx.execute(query.order_by(team_images.c.name))]


def find(tx: Tx, tenant: TenantId, name: str) -> TeamImage | None:
    """The tenant's image of that name that is not retired."""
    return next((each for each in of_tenants(tx, [tenant]) if each.name == name), None)


def all_of(tx: Tx, tenant: TenantId) -> list[TeamImage]:
    """Every image of a tenant, retired ones too."""
    return [_row(row) for row in tx.execute(select(team_images).where(team_images.c.tenant_id == tenant))]


def with_digest(tx: Tx, tenant: TenantId, digest: str) -> TeamImage | None:
    """An image of the tenant, retired or not, that has this manifest and that the registry has."""
    query = select(team_images).where(team_images.c.tenant_id == tenant, team_images.c.digest == digest)
    query = query.where(team_images.c.offered_at.is_not(None))
    row = tx.execute(query.order_by(team_images.c.created_at).limit(1)).one_or_none()
    return None if row is None else _row(row)


def to_copy(tx: Tx, limit: int = 20) -> list[TeamImage]:
    """Images that the registry does not have yet, oldest first."""
    query = (
        select(team_images)
        .join(tenants, tenants.c.id == team_images.c.tenant_id)
        .where(team_images.c.offered_at.is_(None), team_images.c.retired_at.is_(None), tenants.c.deleted_at.is_(None))
    )
    return [_row(row) for row in tx.execute(query.order_by(team_images.c.created_at).limit(limit))]


def by_reference(tx: Tx, reference: str) -> TeamImage | None:
    """The image that ``repository@digest`` is."""
    repository, _, digest = reference.partition("@")
    query = select(team_images).where(team_images.c.repository == repository, team_images.c.digest == digest)
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(row)


def sizes(tx: Tx, known: Iterable[TenantId]) -> list[tuple[TenantId, int]]:
    """Tenant and bytes of its images that are in the registry."""
    query = select(team_images.c.tenant_id, func.sum(team_images.c.size))
    query = query.where(team_images.c.tenant_id.in_(sorted(set(known)))).group_by(team_images.c.tenant_id)
    return [(tenant, int(size)) for tenant, size in tx.execute(query)]


def unneeded(tx: Tx) -> list[TeamImage]:
    """Retired images on which no server that is awake stands, nor any checkpoint.

    Checkpoints tell what they stand on by its digest, which several images may have; never one that was not offered.
    """
    running = exists().where(servers.c.base_repository == team_images.c.repository, servers.c.state != "asleep")
    saved = exists().where(
        checkpoints.c.tenant_id == team_images.c.tenant_id,
        checkpoints.c.base_digest == team_images.c.digest,
        checkpoints.c.deleted_at.is_(None),
    )
    unused = or_(team_images.c.offered_at.is_(None), ~saved)
    query = select(team_images).where(team_images.c.retired_at.is_not(None), ~running, unused)
    return [_row(row) for row in tx.execute(query)]

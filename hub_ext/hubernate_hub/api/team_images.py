"""Team images: environments that a team's admins offer to its members to start from."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import InvalidInput
from hubernate_core.names import CheckpointId, check_id, check_profile_name
from hubernate_core.team_image import TeamImage

from ..context import Work
from ..services import team_images as use_cases
from ..store import agents, team_images
from .access import Standing, standing_in
from .auth import ContextOf
from .body import reads
from .door import Entered, needs

router = APIRouter(prefix="/api/v1", tags=["tenants"])


class Promote(BaseModel):
    """Which checkpoint is offered, and as what."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    checkpoint: str = Field(max_length=20)
    name: str = Field(max_length=30, description="lower-case letters, digits and hyphens")
    title: str = Field("", max_length=60)


class TeamImages(BaseModel):
    """What a team offers, by name."""

    items: list[TeamImage]


@router.get("/tenants/{tenant}/images", openapi_extra=needs(Standing.MEMBER))
async def list_images(context: ContextOf, door: Entered, tenant: str) -> TeamImages:
    """The images that the team offers, whose environment each was, and what is in it."""

    def use(work: Work) -> TeamImages:
        return TeamImages(items=team_images.of_tenants(work.tx, [door.tenant(work, tenant).id]))

    return await context.read(use)


@router.post("/tenants/{tenant}/images", status_code=201, openapi_extra=needs(Standing.TENANT_ADMIN, Promote))
async def promote(
    context: ContextOf,
    door: Entered,
    tenant: str,
    body: Annotated[Promote, Depends(reads(Promote))],
    confirm: Annotated[str, Query(max_length=20, description="'contents', once you know what is in it")] = "",
) -> TeamImage:
    """Offer a checkpoint of the team to its members. The first answer says what is in it and asks for a yes."""
    if not body.title.isprintable():
        raise InvalidInput("title", "one line of printable characters")
    check_profile_name(body.name)
    wanted = use_cases.Promotion(CheckpointId(check_id(body.checkpoint, "checkpoint")), body.name, body.title.strip())

    def use(work: Work) -> tuple[TeamImage, list[str]]:
        row = door.tenant(work, tenant, hold=True)
        actor = door.actor(standing_in(work, door.person, row.id))
        image = use_cases.promote(work, actor, row, wanted, confirmed=confirm == "contents")
        return image, [each.node for each in agents.all_agents(work.tx)]

    image, nodes = await context.write(use)
    context.bell.ring(*(f"node:{node}" for node in nodes))
    return image


@router.delete("/tenants/{tenant}/images/{image}", status_code=204, openapi_extra=needs(Standing.TENANT_ADMIN))
async def retire(context: ContextOf, door: Entered, tenant: str, image: str) -> Response:
    """Offer an image no more. Servers that run from it go on, and what they save can be resumed."""

    def use(work: Work) -> None:
        row = door.tenant(work, tenant, hold=True)
        use_cases.retire(work, door.actor(standing_in(work, door.person, row.id)), row, image)

    await context.write(use)
    return Response(status_code=204)

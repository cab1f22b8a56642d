"""Is it alive; and numbers for those who may have them."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hubernate_core.errors import NotAllowed

from ..store import agents
from .auth import ContextOf, service_tokens, signed_in
from .tokens import bearer

router = APIRouter()


@router.get("/healthz", include_in_schema=False)
@router.get("/health", tags=["health"])
async def health(context: ContextOf) -> dict[str, str]:
    """200 when requests are answered and the database too; 503 otherwise."""
    await context.store.read(agents.all_agents)
    return {"status": "ok"}


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, context: ContextOf) -> Response:
    """Prometheus' text format, for admins and for the holder of the spawner's token."""
    if not service_tokens(request).is_spawner(bearer(request)):
        person = await signed_in(request)
        if not person.admin:
            raise NotAllowed("metrics are for admins")
    return Response(context.metrics.text(), media_type=CONTENT_TYPE_LATEST)

"""The OpenAPI document. Bodies are read by `body.reads`, so their shapes are added here."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from .body import BODIES

router = APIRouter(prefix="/api/v1", tags=["document"])
_REF = "#/components/schemas/{model}"


@router.get("/openapi.json", include_in_schema=False)
async def document(request: Request) -> dict[str, Any]:
    """This API, described."""
    return describe(request.app)


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of `app`, made once."""
    known: dict[str, Any] | None = getattr(app.state, "openapi", None)
    if known is None:
        known = app.state.openapi = _make(app)
    return known


def _make(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title="Hubernate", version="1", routes=app.routes)
    _, shapes = models_json_schema([(model, "validation") for model in BODIES], ref_template=_REF)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {name: shape for name, shape in shapes.get("$defs", {}).items() if name not in schemas}
    return found

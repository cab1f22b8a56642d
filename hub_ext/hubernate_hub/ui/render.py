"""Templates to answers."""

from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from hubernate_core.operation import Outcome

from ..api.auth import browser_session
from ..api.errors import request_id
from ..context import Context

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def page(request: Request, context: Context, template: str, **values: Any) -> Response:
    """`template` with `values`, of which `person` is who looks at it, or None."""
    settings = context.settings
    session = None if values.get("person") is None else await browser_session(request)
    html = _templates.get_template(template).render(
        base=settings.prefix,
        hub=settings.hub_path,
        xsrf="" if session is None else session.xsrf,
        request_id=request_id(request),
        failed=Outcome.FAILED,
        **values,
    )
    return HTMLResponse(html)

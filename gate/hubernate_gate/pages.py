"""What the gate itself says: a small page to a person, JSON to a program, in the shape of Jupyter's own errors."""

from html import escape

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, json_response

from .headers import is_navigation

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">{refresh}
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#333}}
h1{{font-size:1.4rem}}a{{color:#c4560b}}@media(prefers-color-scheme:dark){{body{{background:#111;color:#ddd}}}}</style>
</head><body><h1>{title}</h1><p>{text}</p><p>{links}</p></body></html>"""
RELOAD_S = 5
_TITLES = {
    400: "This request is not understood",
    401: "Please log in",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This method is not served",
    503: "Not answering just now",
}


def say(request: BaseRequest, status: int, message: str, links: tuple[str, str] | None = None) -> Response:
    """An answer of `status` with `message` (one that may be shown).

    Args:
        links: path of the notebook and of the hub, for a page to link to; None: JSON always.
    """
    headers = dict(_HEADERS)
    if status == 401:
        headers["WWW-Authenticate"] = 'token realm="hub"'
    if status == 503:
        headers["Retry-After"] = str(RELOAD_S)
    if links is None or not is_navigation(request.method, request.headers):
        return json_response({"message": message, "reason": None}, status=status, headers=headers)
    home, hub = (escape(path) for path in links)
    page = _PAGE.format(
        title=_TITLES.get(status, "This did not work"),
        text=escape(message),
        links=f'<a href="{home}">Open the notebook</a> · <a href="{hub}home">Your servers</a>',
        refresh=f'<meta http-equiv="refresh" content="{RELOAD_S}">' if status == 503 else "",
    )
    return Response(status=status, text=page, content_type="text/html", headers=headers)

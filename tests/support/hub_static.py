"""The hub's own style sheets and scripts, as its pages have them: for pages of ours that are looked at."""

import sys
from pathlib import Path

from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send


class StaticHub:
    """An application for ``more={"/hub/static": StaticHub()}``."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=Path(sys.prefix) / "share" / "jupyterhub" / "static")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix("/hub/static")
        await self._files({**scope, "path": path, "root_path": ""}, receive, send)

"""hatchling's hook: the JupyterLab extension, where it was built, goes into the wheel as JupyterLab finds it.

Build it before a wheel that is to hold it: ``cd server_ext/labextension && npm ci --ignore-scripts && npm run build``.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_BUILT = "server_ext/labextension/dist"
_PLACE = "share/jupyter/labextensions/@hubernate/lab"


class LabExtension(BuildHookInterface):
    """Adds what was built; says so where nothing was."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a wheel is written."""
        built = Path(self.root) / _BUILT
        if (built / "package.json").is_file():
            build_data["shared_data"][str(built)] = _PLACE
        elif version != "editable":
            self.app.display_warning(f"{_BUILT} was not built: this wheel has no JupyterLab extension")

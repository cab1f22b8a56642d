"""The extension application: routes, and what JupyterLab's page must know for "File → Hub Control Panel"."""

from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join

from . import jobs
from .data import LOOKS, OBJECTS, LookHandler, ObjectHandler
from .handlers import ActivityHandler, RelayHandler
from .place import read_place


class HubernateExtension(ExtensionApp):  # type: ignore[misc]
    """Loaded into every notebook of the platform by ``jupyter_server_config.d/hubernate_server.json``."""

    name = "hubernate_server"
    load_other_extensions = True

    def initialize_handlers(self) -> None:
        """Register our routes below the server's base path."""
        self.handlers += [
            (r"/hubernate/api/activity", ActivityHandler),
            (r"/hubernate/api/sleep", RelayHandler, {"path": "me/sleep"}),
            (r"/hubernate/api/keep-awake", RelayHandler, {"path": "me/keep-awake"}),
            (LOOKS, LookHandler),
            (OBJECTS, ObjectHandler),
            (jobs.LOOKS, jobs.JobsHandler),
            (jobs.DEEDS, jobs.JobsHandler),
            (jobs.OUTPUTS, jobs.OutputHandler),
            (jobs.FILES, jobs.FilesHandler),
        ]

    def initialize_settings(self) -> None:
        """Tell JupyterLab where the hub is (jupyterlab_server reads ``page_config_hook``, 2.9)."""
        self.serverapp.web_app.settings["page_config_hook"] = add_hub


def add_hub(handler: Any, page_config: dict[str, Any]) -> dict[str, Any]:
    """`page_config` with the keys of JupyterLab's hub extension, as JupyterHub's own single-user server gives them."""
    place = read_place(handler.settings["base_url"])
    if not place.hub_prefix:
        return page_config
    user = handler.current_user
    return page_config | {
        "hubUser": user.username if user else "",
        "hubServerUser": place.owner,
        "hubServerName": place.server_name,
        "hubPrefix": place.hub_prefix,
        "hubHost": "",
        "shareUrl": url_path_join(place.hub_prefix, "user-redirect"),
    }

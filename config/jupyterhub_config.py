"""JupyterHub's configuration: the files of jupyterhub_config.d/ beside this one, in order of their names.

Own settings go into `hub.py` in the state folder; they win. A mistake stops the hub at once and is told with its file
and line.
"""

import sys
from pathlib import Path

from hubernate_core.errors import HubernateError
from hubernate_spawner.installation import read_installation
from hubernate_spawner.site_config import load_part, load_parts

c = get_config()  # noqa: F821  # given by traitlets

try:
    c.merge(load_parts(Path(__file__).parent / "jupyterhub_config.d"))
    own = read_installation().state / "hub.py"
    if own.exists():
        c.merge(load_part(own))
except HubernateError as problem:
    sys.exit(f"The hub was not started. {problem.message}")

"""Jupyter Server's configuration in every notebook container: ``jupyter lab --config=THIS FILE``.

The gate stands before it: it logs people in, owns XSRF and hands requests over on loopback. The server itself runs from
the platform's environment, its kernels from the person's, so that neither can break the other.
"""

import os

RUNTIME = "/tmp/jupyter-runtime"

c = get_config()  # type: ignore[name-defined]  # noqa: F821  # given by traitlets

# Where only the gate reaches it.
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = 8889
c.ServerApp.port_retries = 0
c.ServerApp.base_url = os.environ.get("HUBERNATE_BASE_URL", "/")
c.ServerApp.open_browser = False

# The gate checked all of this already, and sees the browser's own Host and Origin.
c.ServerApp.identity_provider_class = "hubernate_server.identity.GateIdentityProvider"
c.IdentityProvider.token = ""
c.ServerApp.disable_check_xsrf = True
c.ServerApp.allow_remote_access = True
c.ServerApp.trust_xheaders = True
c.ServerApp.allow_root = False

# What the person works with.
c.ServerApp.root_dir = os.environ.get("HOME", "/home/jovyan")
c.ServerApp.terminals_enabled = True
c.ServerApp.quit_button = False
c.FileContentsManager.delete_to_trash = False

# Kernels of the person's environment; the platform's own one only for a safe start.
c.ServerApp.kernel_spec_manager_class = "hubernate_server.kernels.KernelSpecs"

# Never part of a checkpoint: keys of this run only.
c.ServerApp.runtime_dir = RUNTIME
os.environ["JUPYTER_RUNTIME_DIR"] = RUNTIME
c.ServerApp.cookie_secret = os.urandom(32)

# JupyterLab is the platform's: nothing of it is updated, installed or announced from within.
c.LabApp.extension_manager = "readonly"
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None

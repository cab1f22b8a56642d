"""Where hub, proxy and database are: all from the state folder."""

from pathlib import Path

from hubernate_spawner.installation import read_installation
from hubernate_spawner.log_lines import log_json

c = get_config()  # noqa: F821  # given by traitlets
here = read_installation()
log_json()

# Containers reach the hub on the bridge's address, pods by its Service's name; nothing outside does.
c.JupyterHub.hub_bind_url = f"http://{here.platform.listen_address}:{here.platform.ports.hub}"
c.JupyterHub.hub_connect_url = here.hub_url
c.JupyterHub.bind_url = f"http://127.0.0.1:{here.platform.ports.public}"
c.JupyterHub.public_url = here.platform.public_url
c.JupyterHub.db_url = here.optional_secret("hub-db-url") or f"sqlite:///{here.state}/hub/jupyterhub.sqlite"
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret_file = str(here.secret_file("hub-cookie"))

# The proxy is not the hub's child, so that people work on while the hub restarts; nor are the servers.
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = here.proxy_api_url
c.ConfigurableHTTPProxy.auth_token = here.secret("proxy-token")
# A proxy that was restarted knows no way to anybody until the hub looks at its routes, by default every five minutes.
c.JupyterHub.last_activity_interval = 15
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False

c.JupyterHub.template_paths = [str(Path(__file__).parents[1] / "templates")]

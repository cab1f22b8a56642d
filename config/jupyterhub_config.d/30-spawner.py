"""How notebooks are started."""

from hubernate_spawner.docker import TenantDockerSpawner
from hubernate_spawner.installation import read_installation

c = get_config()  # noqa: F821  # given by traitlets
here = read_installation()
platform = here.platform

c.JupyterHub.spawner_class = TenantDockerSpawner
c.TenantDockerSpawner.instance = platform.instance
c.TenantDockerSpawner.node = platform.node
c.TenantDockerSpawner.gate_image = platform.images.gate
c.TenantDockerSpawner.mirrors_env = platform.mirrors.env
c.TenantDockerSpawner.ca_bundle = platform.mirrors.ca_bundle or ""
c.TenantDockerSpawner.service_url = f"{here.service_address}/services/hubernate"
c.TenantDockerSpawner.service_token_file = str(here.secret_file("spawner-token"))

# A resume may pull an image, and waits for a save that is still going on.
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 120
c.Spawner.poll_interval = 20
# The gate's token: say that somebody is active, nothing else.
c.Spawner.server_token_scopes = ["users:activity!user"]

c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 5
# Never wait for a dead server before answering anybody.
c.JupyterHub.init_spawners_timeout = 10

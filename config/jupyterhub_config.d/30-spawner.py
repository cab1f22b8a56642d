"""How notebooks are started: by the engine that platform.json names."""

from hubernate_spawner.installation import read_installation

c = get_config()  # noqa: F821  # given by traitlets
here = read_installation()
platform, cluster = here.platform, here.platform.kubernetes

# Each is imported where it is chosen: the Kubernetes client alone takes 60 MB.
if cluster is None:
    from hubernate_spawner.docker import TenantDockerSpawner

    c.JupyterHub.spawner_class = TenantDockerSpawner
    chosen = c.TenantDockerSpawner
    chosen.node = platform.node
    chosen.ca_bundle = platform.mirrors.ca_bundle or ""
else:
    from hubernate_spawner.kubernetes import TenantKubeSpawner

    c.JupyterHub.spawner_class = TenantKubeSpawner
    chosen = c.TenantKubeSpawner
    chosen.ca_bundle = bool(platform.mirrors.ca_bundle)
    chosen.gate_cpu_millis = cluster.gate_cpu
    chosen.gate_memory_mb = cluster.gate_memory // 1024**2
    chosen.save_grace_s = cluster.save_grace_s
    chosen.user_namespaces = cluster.user_namespaces
chosen.instance = platform.instance
chosen.gate_image = platform.images.gate
chosen.mirrors_env = platform.mirrors.env
chosen.service_url = f"{here.service_address}/services/hubernate"
chosen.service_token_file = str(here.secret_file("spawner-token"))

# Starts that wait count as starting at the hub. The platform service has them take turns, fairly and with a position
# shown; the hub would answer 429.
c.JupyterHub.concurrent_spawn_limit = 0
c.Spawner.http_timeout = 120
c.Spawner.poll_interval = 20
# The gate's token: say that somebody is active, nothing else.
c.Spawner.server_token_scopes = ["users:activity!user"]

c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 5
# Never wait for a dead server before answering anybody.
c.JupyterHub.init_spawners_timeout = 10

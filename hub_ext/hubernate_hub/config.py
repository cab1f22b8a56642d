"""The service's settings: ``c.HubernateService.…`` in a Python file. One class; `help` says unit, default and why."""

from pathlib import Path
from typing import Any

from traitlets import Enum, Float, Instance, Integer, TraitError, Unicode
from traitlets.config import Configurable, PyFileConfigLoader
from traitlets.config.loader import ConfigFileNotFound

from hubernate_core.errors import InvalidInput
from hubernate_core.names import check_instance

from .data.config import DataGateway
from .jobs.config import Jobs
from .kube.config import KubernetesBackend
from .notices.config import Notices


class HubernateService(Configurable):  # type: ignore[misc]  # traitlets is not typed
    """The platform service."""

    backend = Enum(
        ("docker", "kubernetes"),
        "docker",
        help="Engine that notebooks run on: 'docker', this one machine, or 'kubernetes', with c.KubernetesBackend.…"
        " beside it. Default 'docker'. Servers do not move from one to the other; homes and checkpoints of each stay.",
    ).tag(config=True)
    state_dir = Unicode(
        "/var/lib/hubernate",
        help="The installation's state folder. Default /var/lib/hubernate. The service writes only to its subfolder"
        " 'service' and makes 'secrets/signing-key' at its first start.",
    ).tag(config=True)
    ip = Unicode(
        "127.0.0.1",
        help="Address to listen on. Default 127.0.0.1. Gates must reach it, so with Docker it is the default"
        " bridge's, 172.17.0.1, and never one that the network outside reaches.",
    ).tag(config=True)
    port = Integer(8082, help="Port to listen on. Default 8082.").tag(config=True)
    base_url = Unicode(
        "/services/hubernate/",
        help="Path of everything this service answers, with both slashes. Default /services/hubernate/: where"
        " JupyterHub routes a service named 'hubernate'.",
    ).tag(config=True)
    service_url = Unicode(
        help="This service with its prefix, as gates reach it. Default: made of ip, port and base_url."
    ).tag(config=True)
    service_name = Unicode(
        "hubernate",
        help="Its name among JupyterHub's services. Default 'hubernate'. Access is by 'access:services!service=…'.",
    ).tag(config=True)
    db_url = Unicode(
        help="SQLAlchemy URL of the database. Default: SQLite in state_dir/service/hubernate.sqlite. In production"
        " postgresql+psycopg://…, so that it can be backed up while it runs."
    ).tag(config=True)
    hub_api_url = Unicode(
        "http://127.0.0.1:8081/hub/api", help="The hub's REST API, as this service reaches it. Default port 8081."
    ).tag(config=True)
    hub_timeout_s = Float(
        5, help="Seconds after which one call of the hub is given up. Default 5: the hub is one thread and may be busy."
    ).tag(config=True)
    hub_token_file = Unicode(
        help="File with this service's JupyterHub token. Default state_dir/secrets/service-token. Its role needs"
        " list:users, read:users, read:servers, read:hub, servers."
    ).tag(config=True)
    oauth_client_id = Unicode(
        help="OAuth client of this service at the hub. Default 'service-' and service_name, as JupyterHub makes it."
    ).tag(config=True)
    hub_prefix = Unicode(
        "/hub/",
        help="Path of the hub for browsers, with both slashes. Default /hub/. Style sheets and links come from it.",
    ).tag(config=True)
    spawner_token_file = Unicode(
        help="File with the token of the spawner. Default state_dir/secrets/spawner-token."
    ).tag(config=True)
    agent_token_files = Unicode(
        help="Path pattern of the agents' tokens; '*' stands for the node's name. Default"
        " state_dir/secrets/agent-*-token. A token is good for its node only; files may be added at any time."
    ).tag(config=True)
    signing_key_file = Unicode(
        help="Ed25519 key that signs checkpoints, PEM, 0600. Default state_dir/secrets/signing-key, made at the first"
        " start. Back it up: without it no checkpoint starts."
    ).tag(config=True)
    profiles_file = Unicode(
        help="The catalogue of profiles, JSON. Default state_dir/profiles.json. Read again when it changes."
    ).tag(config=True)
    tenants_file = Unicode(
        help="Tenants and their settings, JSON. Default state_dir/tenants.json. Read again when it changes."
    ).tag(config=True)
    platform_file = Unicode(
        help="What the installation wrote about itself, JSON; on Kubernetes its cluster is read from there. Default"
        " state_dir/platform.json."
    ).tag(config=True)
    registry = Unicode(
        "127.0.0.1:5000",
        help="Registry of checkpoints, host and port as the engine reaches it. Default 127.0.0.1:5000.",
    ).tag(config=True)
    instance = Unicode(
        "hubernate",
        help="Name of this installation on the engine; it prefixes volumes, namespaces. Default 'hubernate'.",
    ).tag(config=True)
    node = Unicode(
        "local",
        help="Node of a container that no agent and no spawner placed yet. Default 'local'. Not used on Kubernetes.",
    ).tag(config=True)
    reconcile_every_s = Float(
        3, help="Seconds between two looks for what crashed or was forgotten. Default 3: a dead notebook is saved soon."
    ).tag(config=True)
    hub_every_s = Float(
        15,
        help="Seconds between two comparisons with the hub's servers. Default 15: the hub pays 50 ms per 200 people.",
    ).tag(config=True)
    hub_grace_s = Float(
        60,
        help="Seconds for which the hub may disagree about a server before something is done. Default 60: starts, stops"
        " and a restarting hub disagree for a moment without being wrong.",
    ).tag(config=True)
    cull_every_s = Float(
        30, help="Seconds between two looks for idle servers. Default 30. The rules stand with each tenant."
    ).tag(config=True)
    cull_at_once = Integer(
        4,
        min=1,
        help="Servers being saved at the same time, above which no idle one is put to sleep. Default 4: a registry has"
        " one uplink. The others wait, the longest idle first, teams in turn.",
    ).tag(config=True)
    cull_at_once_per_node = Integer(
        2, min=1, help="The same of one node. Default 2: saves share its disk and CPU with those who work there."
    ).tag(config=True)
    gate_silent_after_s = Float(
        300,
        help="Seconds without a gate's report after which idleness is unknown and a server is left alone. Default 300.",
    ).tag(config=True)
    agent_silent_after_s = Float(
        60, help="Seconds without a poll after which an agent is called silent. Default 60: three missed long polls."
    ).tag(config=True)
    gone_after_s = Float(
        10, help="Seconds for which a speaking agent must miss a container before it is believed gone. Default 10."
    ).tag(config=True)
    retry_after_s = Float(
        60,
        help="Seconds before a failed save is tried again by itself; doubled each time, at most an hour. Default 60.",
    ).tag(config=True)
    max_change_bytes = Integer(
        50 * 1024**3,
        help="A change larger than this is not saved, bytes, uncompressed. Default 50 GiB: it fills registries.",
    ).tag(config=True)
    keep_awake_max_minutes = Integer(
        720,
        help="Longest 'keep awake' that any rule may allow, minutes. Default 720: over night, not over a weekend.",
    ).tag(config=True)
    prefetch_days = Float(
        7, help="Checkpoints of servers stopped within this many days are made ready on their node. Default 7."
    ).tag(config=True)
    prefetch_count = Integer(20, help="How many of them at most, newest first. Default 20.").tag(config=True)
    starts_at_once = Integer(
        64,
        min=1,
        help="Starts that the platform makes at the same time; others wait, teams taking turns. Default 64: hub, engine"
        " and registry serve about so many. A start counts for five minutes, so that one that waits for a node does not"
        " hold others up.",
    ).tag(config=True)
    queue_silent_after_s = Float(
        60,
        help="Seconds without a word of its hub after which a waiting start holds up nobody. Default 60: three long"
        " polls. It keeps its place, and the hub is asked to start it again.",
    ).tag(config=True)
    queue_keep_s = Float(
        900,
        help="Seconds after which a place in the queue is given up if its hub, asked to go on with the start, says"
        " nothing about it. Default 900. While the hub is away nobody can ask it, and no place is given up.",
    ).tag(config=True)
    metrics_tenants_max = Integer(
        200,
        min=0,
        help="Tenants that the metrics name, those that use most first. Default 200: each is some ten time series.",
    ).tag(config=True)
    usage_days = Integer(
        400,
        min=31,
        help="Days for which is kept what was used, per person and day. Default 400: a month can be compared with the"
        " same one a year ago. About five rows per active person and day.",
    ).tag(config=True)
    log_level = Unicode("INFO", help="DEBUG, INFO, WARNING or ERROR. Default INFO.").tag(config=True)

    kubernetes = Instance(KubernetesBackend, allow_none=True)  # `read_settings` puts these here
    data = Instance(DataGateway, ())
    jobs = Instance(Jobs, ())
    notices = Instance(Notices, ())

    @property
    def on_kubernetes(self) -> bool:
        """Whether notebooks are pods."""
        return bool(self.backend == "kubernetes")

    @property
    def own_dir(self) -> Path:
        """Where this service writes."""
        return Path(self.state_dir) / "service"

    @property
    def prefix(self) -> str:
        """`base_url` with both slashes."""
        return _both_slashes(self.base_url)

    @property
    def hub_path(self) -> str:
        """`hub_prefix` with both slashes."""
        return _both_slashes(self.hub_prefix)

    @property
    def site_path(self) -> str:
        """Path above the hub's, where ``user/NAME/`` stands."""
        return self.hub_path.removesuffix("hub/")

    @property
    def url_for_gates(self) -> str:
        """`service_url`, or what follows from the address."""
        return str(self.service_url or f"http://{self.ip}:{self.port}{self.prefix}").rstrip("/")

    @property
    def database(self) -> str:
        """`db_url`, or SQLite in our folder."""
        return self.db_url or f"sqlite:///{self.own_dir / 'hubernate.sqlite'}"

    @property
    def client_id(self) -> str:
        """`oauth_client_id`, or the hub's default for a service."""
        return self.oauth_client_id or f"service-{self.service_name}"

    @property
    def data_keys(self) -> Path:
        """`DataGateway.keys_file`, or its default in the state folder."""
        return Path(self.data.keys_file or Path(self.state_dir) / "secrets/data-keys")

    def file(self, setting: str) -> Path:
        """The path in `setting`, one of the file settings, or its default in the state folder."""
        return Path(getattr(self, setting) or Path(self.state_dir) / _FILES[setting])


_FILES = {
    "hub_token_file": "secrets/service-token",
    "spawner_token_file": "secrets/spawner-token",
    "agent_token_files": "secrets/agent-*-token",
    "signing_key_file": "secrets/signing-key",
    "profiles_file": "profiles.json",
    "tenants_file": "tenants.json",
    "platform_file": "platform.json",
}


def _both_slashes(path: str) -> str:
    inner = path.strip("/")
    return f"/{inner}/" if inner else "/"


def read_settings(path: Path) -> HubernateService:
    """The settings in a Python configuration file.

    Raises:
        InvalidInput: the file is missing or fails, or names a setting that does not exist.
    """
    try:
        config = PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
    except ConfigFileNotFound as problem:
        raise InvalidInput("config", f"{path} is not there") from problem
    except Exception as problem:  # the file is a program: anything may happen in it
        raise InvalidInput(str(path), f"{type(problem).__name__}: {problem}") from problem
    for kind in (HubernateService, KubernetesBackend, DataGateway, Jobs, Notices):
        known = set(kind.class_trait_names(config=True))
        given: dict[str, Any] = config.get(kind.__name__, {})
        for name in given.keys() - known:
            where = f"c.{kind.__name__}.{name}"
            raise InvalidInput(where, f"there is no such setting; known: {', '.join(sorted(known))}")
    try:
        settings = HubernateService(
            config=config, data=DataGateway(config=config), jobs=Jobs(config=config), notices=Notices(config=config)
        )
        if settings.on_kubernetes:
            settings.kubernetes = KubernetesBackend(config=config)
    except TraitError as problem:
        raise InvalidInput(str(path), str(problem)) from problem
    check_instance(settings.instance)
    return settings

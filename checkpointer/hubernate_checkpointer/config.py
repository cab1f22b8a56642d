"""Settings of the agent. The tokens and logins are in files, never here."""

from traitlets import CaselessStrEnum, Float, Int, Unicode
from traitlets.config import Configurable


class CheckpointAgent(Configurable):  # type: ignore[misc]
    """One agent per node: saves this node's notebooks for one installation."""

    service_url = Unicode(
        "",
        help="Address of the platform service with its path, such as http://172.17.0.1:8082/services/hubernate. "
        "No default: an agent without a service has nothing to do.",
    ).tag(config=True)
    token_file = Unicode(
        "",
        help="File with this node's agent token (0600), read anew for each request so that it can be replaced; on "
        "Kubernetes a projected service account token, which the kubelet renews.",
    ).tag(config=True)
    node = Unicode("local", help="Name of this node; the token is good for this node's operations only.").tag(
        config=True
    )
    instance = Unicode(
        "hubernate",
        help="Name of the installation. Containers without its label are never looked at, so "
        "that several installations "
        "can share an engine.",
    ).tag(config=True)
    engine = CaselessStrEnum(
        ("docker", "containerd"),
        "docker",
        help="What runs the notebooks. docker: Docker Engine, as on one machine. containerd: a Kubernetes node, where "
        "orders name pods by their UID.",
    ).tag(config=True)
    containerd_socket = Unicode(
        "/run/containerd/containerd.sock",
        help="Where containerd listens, as this process sees it; k3s has it at /run/k3s/containerd/containerd.sock. "
        "Only with engine containerd.",
    ).tag(config=True)
    kubelet_dir = Unicode(
        "/var/lib/kubelet",
        help="The kubelet's root folder, as the node names it: a held pod is let go by a file in its emptyDir there. "
        "Only with engine containerd.",
    ).tag(config=True)
    host_root = Unicode(
        "",
        help="Where the node's root is seen from this process, such as /host: put before kubelet_dir, before the "
        "snapshots that containerd names, and before /proc and /sys/fs/cgroup. Default: at the same paths as on the "
        "node. Only with engine containerd.",
    ).tag(config=True)
    engine_url = Unicode(
        "unix:///var/run/docker.sock", help="Where Docker Engine listens. Only with engine docker."
    ).tag(config=True)
    docker_root = Unicode(
        "",
        help="Where the engine's storage folder is seen from this process. Default: at the "
        "same path as for the engine. Only with engine docker.",
    ).tag(config=True)
    registry = Unicode(
        "127.0.0.1:5000", help="Registry as images name it: HOST[:PORT]. Orders name repositories below it."
    ).tag(config=True)
    registry_scheme = CaselessStrEnum(
        ("http", "https"),
        "http",
        help="Plain http only for a registry on this machine, as in the one-machine platform.",
    ).tag(config=True)
    registry_url = Unicode(
        "",
        help="Where this process reaches the registry, such as http://registry:5000. Default: registry_scheme and "
        "registry. For a registry in the cluster, which nodes and so images call by another name than pods do.",
    ).tag(config=True)
    registry_ca_file = Unicode(
        "",
        help="PEM bundle that signs the registry's certificate, believed beside the public ones. Default: these alone. "
        "Nodes have to trust it too, to pull.",
    ).tag(config=True)
    registry_login_file = Unicode(
        "",
        help="File with USER:PASSWORD for the registry (0600), read anew when the registry refuses. Default: no login.",
    ).tag(config=True)
    state_dir = Unicode(
        "/state",
        help="Folder for the journal, the index of what is saved, and the spool. It needs "
        "room for the compressed change "
        "of every save that runs at once, and must outlive the process.",
    ).tag(config=True)
    concurrency = Int(
        2,
        min=1,
        max=64,
        help="Saves at once on this node. One is I/O and two cores busy; more only wait for each other.",
    ).tag(config=True)
    freeze_limit_s = Float(
        30, min=1, max=300, help="Seconds a notebook may stand still; then it is let go on and the save fails."
    ).tag(config=True)
    stop_grace_s = Int(
        10, min=0, max=3600, help="Seconds between SIGTERM and SIGKILL when a notebook is stopped, for its last writes."
    ).tag(config=True)
    registry_patience_s = Float(
        120,
        min=0,
        help="Seconds of unbroken registry trouble (down, 429, 5xx) that a save sits out "
        "before it fails. The notebook runs "
        "on meanwhile.",
    ).tag(config=True)
    registry_timeout_s = Float(30, min=1, help="Seconds of silence after which the registry counts as down.").tag(
        config=True
    )
    push_limit_s = Float(
        3600, min=1, help="Seconds for all uploads of one save; a registry that is slower than that fails the save."
    ).tag(config=True)
    compression = CaselessStrEnum(
        ("auto", "gzip", "zstd"),
        "auto",
        help="How layers are compressed. auto: zstd where the engine reads it (containerd; Docker 23 and later), "
        "otherwise gzip.",
    ).tag(config=True)
    changed_files_limit = Int(
        1_000_000,
        min=1,
        help="Most changed files and directories of one notebook; more are refused with a "
        "clear reason, since the agent's "
        "memory grows by about 0.4 kB for each.",
    ).tag(config=True)
    image_cache_bytes = Int(
        20_000_000_000,
        min=0,
        help="Compressed bytes of saved environments kept ready on this node, so that a "
        "resume starts at once; the least "
        "recently wanted go first. 0: none are prepared.",
    ).tag(config=True)
    poll_wait_s = Float(20, min=1, max=60, help="Seconds the service may hold a poll open while it has no work.").tag(
        config=True
    )
    health_socket = Unicode(
        "", help="Unix socket for /healthz and /metrics. Default: health.sock in the state folder."
    ).tag(config=True)

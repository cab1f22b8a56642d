"""What the service must know to use a cluster: ``c.KubernetesBackend.…``. The cluster itself is in platform.json."""

from pathlib import Path

from traitlets import Float, Unicode
from traitlets.config import Configurable


class KubernetesBackend(Configurable):  # type: ignore[misc]  # traitlets is not typed
    """The platform service on Kubernetes: read where `c.HubernateService.backend` is 'kubernetes'."""

    kubeconfig = Unicode(
        help="Path of a kubeconfig; its current context is used. Default empty: the pod's own service account, whose"
        " token is read again every minute."
    ).tag(config=True)
    api_url = Unicode(
        help="URL of the API server, with `token_file` instead of a kubeconfig. Default empty. For tests and for"
        " clusters reached through a proxy of your own."
    ).tag(config=True)
    token_file = Unicode(
        help="File with the bearer token for `api_url`, read again every minute. Default empty: no token is sent."
    ).tag(config=True)
    ca_file = Unicode(
        help="PEM bundle that signs `api_url`. Default empty: the certificates that this machine trusts."
    ).tag(config=True)
    request_timeout_s = Float(
        10,
        min=0.1,
        help="Seconds after which one call of the API server is given up. Default 10: an answer takes milliseconds, and"
        " whoever waits is told to try again.",
    ).tag(config=True)
    watch_for_s = Float(
        290, min=1, help="Seconds after which a watch is begun anew. Default 290: balancers cut at 300 or later."
    ).tag(config=True)
    watch_silent_s = Float(
        150,
        min=1,
        help="Seconds without a word (bookmarks come every minute) after which a watch is taken for dead and begun"
        " anew. Default 150.",
    ).tag(config=True)
    delete_wait_s = Float(
        15,
        help="Seconds that an agent's last report waits for the pod to be gone before it is told to ask again. Default"
        " 15: half of what the agent waits for.",
    ).tag(config=True)
    delete_grace_s = Float(
        30,
        help="Seconds that a saved pod gets to end. Default 30: nothing in it is needed any more, but the"
        " gate may finish its answers.",
    ).tag(config=True)
    agent_service_account = Unicode(
        "agent", help="Service account of the agents in the platform's namespace. Default 'agent'."
    ).tag(config=True)
    hub_service_account = Unicode(
        "hub",
        help="Service account of the hub in the platform's namespace. Default 'hub': it makes the pods of tenants.",
    ).tag(config=True)
    audience = Unicode(
        "hubernate",
        help="Audience that an agent's token must be made for. Default 'hubernate': so that a token for the API server,"
        " stolen elsewhere, opens nothing here.",
    ).tag(config=True)
    token_cache_s = Float(
        60,
        max=60,
        help="Seconds for which the API server's word about a token is believed. Default 60, at most 60: a removed"
        " agent is locked out after that.",
    ).tag(config=True)
    tenants_every_s = Float(
        300,
        min=1,
        help="Seconds between two repairs of the tenants' namespaces. Default 300; a change of the tenants is applied"
        " at once.",
    ).tag(config=True)
    not_ready_after_s = Float(
        120,
        help="Seconds for which a node must not be ready before its servers' pages say so. Default 120: restarts of a"
        " kubelet pass unnoticed.",
    ).tag(config=True)
    pull_config_file = Unicode(
        help="Docker configuration (JSON with 'auths') that becomes the pull Secret of every tenant's namespace."
        " Default empty: nodes pull without a password."
    ).tag(config=True)

    notebook_ca_file = Unicode(
        help="PEM bundle that notebooks trust, of mirrors with a certificate of your own; a ConfigMap in every tenant's"
        " namespace. Default empty: what the images trust."
    ).tag(config=True)

    def path(self, setting: str) -> Path | None:
        """The path in `setting`; None where it is empty."""
        value = getattr(self, setting)
        return Path(value) if value else None

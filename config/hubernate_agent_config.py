"""The agent's configuration on Kubernetes: from the mounted platform.json, the node's name and the token of its pod."""

import os
from pathlib import Path

from hubernate_core.platform_file import Platform

c = get_config()  # noqa: F821  # given by traitlets
state = Path(os.environ["HUBERNATE_STATE"])
platform = Platform.model_validate_json((state / "config" / "platform.json").read_text())
login = state / "secrets" / "registry-login"

c.CheckpointAgent.engine = "containerd"
c.CheckpointAgent.instance = platform.instance
c.CheckpointAgent.node = os.environ["NODE_NAME"]
c.CheckpointAgent.service_url = f"{platform.address('service')}/services/hubernate"
c.CheckpointAgent.token_file = "/var/run/secrets/hubernate/token"
c.CheckpointAgent.registry = platform.registry
c.CheckpointAgent.registry_url = platform.registry_url
c.CheckpointAgent.state_dir = str(state / "agent")
if platform.mirrors.ca_bundle:
    c.CheckpointAgent.registry_ca_file = platform.mirrors.ca_bundle
if login.exists():
    c.CheckpointAgent.registry_login_file = str(login)

"""The platform service's configuration: all from the state folder. Own settings: `service.py` there; they win."""

import os
from pathlib import Path

from hubernate_core.platform_file import Platform

c = get_config()  # noqa: F821  # given by traitlets
state = Path(os.environ["HUBERNATE_STATE"])
platform = Platform.model_validate_json((state / "platform.json").read_text())

c.HubernateService.state_dir = str(state)
c.HubernateService.ip = platform.listen_address
c.HubernateService.port = platform.ports.service
c.HubernateService.service_url = f"{platform.address('service')}/services/hubernate"
c.HubernateService.hub_api_url = f"{platform.address('hub')}/hub/api"
c.HubernateService.registry = platform.registry
c.HubernateService.instance = platform.instance
c.HubernateService.node = platform.node
if (database := state / "secrets" / "service-db-url").exists():
    c.HubernateService.db_url = database.read_text().strip()
if platform.kubernetes:
    c.HubernateService.backend = "kubernetes"
    if platform.mirrors.ca_bundle:
        c.KubernetesBackend.notebook_ca_file = platform.mirrors.ca_bundle
    if (pull := state / "secrets" / "pull-config.json").exists():
        c.KubernetesBackend.pull_config_file = str(pull)

if (state / "service.py").exists():
    load_subconfig(str(state / "service.py"))  # noqa: F821  # given by traitlets

"""What a process does not load: the Kubernetes client takes 60 MB, which one machine with Docker need not hold."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["hubernate_hub.app", "hubernate_spawner.docker", "hubernate_spawner.site_config"])
def test_one_machine_loads_no_kubernetes_client(module: str) -> None:
    code = f"import sys, {module}; print({{'kubernetes_asyncio', 'kubespawner'}} & {{*sys.modules}} or 'none')"
    told = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout
    assert told.strip() == "none"

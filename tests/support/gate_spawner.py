"""A spawner for tests: a real gate before a real Jupyter Server, to which nothing of the Hub's goes."""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.spawner import Spawner

from support.gate_process import write_private
from support.hub_double import RELAY_TOKEN
from support.proxy import free_port

NOTEBOOK = [
    "--no-browser",
    "--allow-root",
    "--IdentityProvider.token=",
    "--ServerApp.disable_check_xsrf=True",
    "--ServerApp.allow_remote_access=True",
    "--ServerApp.trust_xheaders=True",
]


def notebook_command(port: int, base_url: str) -> list[str]:
    """How to start a Jupyter Server behind a gate."""
    return [sys.executable, "-m", "jupyter_server", f"--port={port}", f"--ServerApp.base_url={base_url}", *NOTEBOOK]


class GateSpawner(Spawner):
    """Starts both as processes."""

    async def start(self) -> str:
        """Both processes; the gate's address."""
        env = self.get_env()
        folder = Path(tempfile.mkdtemp(prefix="gate-"))
        gate_port, notebook_port = free_port(), free_port()
        config: dict[str, Any] = {
            "server_id": "sabcdefghi",
            "generation": 1,
            "user": env["JUPYTERHUB_USER"],
            "server_name": env["JUPYTERHUB_SERVER_NAME"],
            "prefix": env["JUPYTERHUB_SERVICE_PREFIX"],
            "hub_api_url": env["JUPYTERHUB_API_URL"],
            "hub_base_path": f"{env['JUPYTERHUB_BASE_URL']}hub/",
            "client_id": env["JUPYTERHUB_CLIENT_ID"],
            "hub_token": env["JUPYTERHUB_API_TOKEN"],
            "callback_path": urlsplit(env["JUPYTERHUB_OAUTH_CALLBACK_URL"]).path,
            "access_scopes": json.loads(env["JUPYTERHUB_OAUTH_ACCESS_SCOPES"]),
            "service_url": "http://127.0.0.1:9/services/hubernate",
            "relay_token": RELAY_TOKEN,
            "listen": f"127.0.0.1:{gate_port}",
            "relay_listen": "",
            "upstream": f"http://127.0.0.1:{notebook_port}",
            "settings": {"revalidate_s": 2, "activity_interval_s": 1},
        }
        write_private(folder / "gate.json", json.dumps(config))
        plain = {name: value for name, value in os.environ.items() if "JUPYTERHUB" not in name}
        plain |= {"HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
        gate = [sys.executable, "-m", "hubernate_gate.app"]
        self.processes = [
            await asyncio.create_subprocess_exec(
                *gate, env=os.environ | {"HUBERNATE_GATE_CONFIG": str(folder / "gate.json")}
            ),
            await asyncio.create_subprocess_exec(
                *notebook_command(notebook_port, config["prefix"]), cwd=folder, env=plain
            ),
        ]
        return f"http://127.0.0.1:{gate_port}"

    async def stop(self, now: bool = False) -> None:
        """End both."""
        for process in self.processes:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def poll(self) -> int | None:
        """None while both run."""
        codes = [process.returncode for process in getattr(self, "processes", ())]
        return None if codes and all(code is None for code in codes) else 1

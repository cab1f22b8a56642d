"""A real Jupyter Server with the extension and the notebook's own configuration, beside no gate."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "server_ext/hubernate_server/notebook_config.py"


@contextmanager
def jupyter_notebook(folder: Path, *args: str, **env: str) -> Iterator[httpx.Client]:
    """One that runs in `folder`; its client. Extra environment by keyword.

    Raises:
        AssertionError: it did not start; its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "home").mkdir(exist_ok=True)
    kernels = folder / "env/share/jupyter/kernels/mine"
    kernels.mkdir(parents=True, exist_ok=True)
    (kernels / "kernel.json").write_text('{"argv": ["/bin/true"], "display_name": "Mine", "language": "python"}')
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "HUBERNATE_BASE_URL": "/user/al%20ice/",
        "HUBERNATE_ENVIRONMENT": str(folder / "env"),
        "JUPYTER_CONFIG_PATH": str(ROOT / "server_ext/jupyter-config"),
    }
    command = [sys.executable, "-m", "jupyter_server", f"--config={CONFIG}", f"--ServerApp.port={port}"]
    command += ["--ServerApp.allow_root=True", f"--ServerApp.runtime_dir={folder / 'runtime'}"]  # tests may run as root
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *args], env=settings | env, stdout=log, stderr=log)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/user/al%20ice/", timeout=20)
    try:
        deadline = time.monotonic() + 60
        while not _answers(client):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the notebook did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("api").status_code in (200, 403)
    except httpx.HTTPError:
        return False

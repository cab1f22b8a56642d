"""The platform service as a process of its own, that can be killed, with jobs on the real engine and no hub."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.platform_service import eventually

_SERVICE = textwrap.dedent(
    """
    import sys
    from hubernate_hub.app import serve
    from hubernate_hub.config import HubernateService
    from hubernate_hub.jobs.config import Jobs
    folder, port, instance, registry = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    serve(HubernateService(
        state_dir=folder, port=port, hub_api_url="http://127.0.0.1:9/hub/api", instance=instance, registry=registry,
        reconcile_every_s=0.5, jobs=Jobs(at_once=4),
    ))
    """
)


@contextmanager
def process(folder: Path, port: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process of its own."""
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", _SERVICE, str(folder), str(port), *more], stdout=log, stderr=log
        )
        try:

            def answers() -> bool:
                try:
                    return httpx.get(
                        f"http://127.0.0.1:{port}/services/hubernate/health", timeout=5, trust_env=False
                    ).is_success
                except httpx.HTTPError:
                    return False

            eventually("the service answers", answers, timeout_s=180)
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait(10)

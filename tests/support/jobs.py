"""A platform service with its loops on the real engine and a real registry, and what jobs are made of: tiny images of
busybox, folders of scripts. Everything it made is removed.
"""

import contextlib
import hashlib
import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hubernate_core.names import INSTANCE_LABEL, new_id
from support.engine import BaseImage, engine
from support.platform_service import Caller, Running, eventually, running

OVER = ("succeeded", "failed", "cancelled")


def tar_of(files: dict[str, str | bytes]) -> bytes:
    """Files as they are sent."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@dataclass
class Client:
    """Somebody who submits jobs in a tenant by the API."""

    ask: Caller
    tenant: str = "physics"
    sent: set[str] = field(default_factory=set)

    def send(self, content: bytes) -> httpx.Response:
        digest = hashlib.sha256(content).hexdigest()
        return self.ask("PUT", f"/tenants/{self.tenant}/jobs/files/{digest}", content=content)

    def body(self, script: str | bytes, **values: Any) -> dict[str, Any]:
        """A request for a shell script, with its file sent."""
        content = tar_of({"run.sh": script, **values.pop("more", {})})
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.sent:
            answer = self.send(content)
            assert answer.status_code == 204, answer.text
            self.sent.add(digest)
        work = {"kind": "script", "script": "run.sh", "args": values.pop("args", [])}
        base = {"id": new_id(), "work": work, "env": "profile", "profile": "base", "files": digest}
        return base | values

    def submit(self, script: str | bytes, **values: Any) -> str:
        """A job of a shell script; its id."""
        answer = self.post(self.body(script, **values))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def post(self, body: dict[str, Any]) -> httpx.Response:
        return self.ask("POST", f"/tenants/{self.tenant}/jobs", json=body)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A job, or what belongs to it; with an empty path, or a query alone, the list."""
        slash = "/" if path and not path.startswith("?") else ""
        return self.ask("GET", f"/tenants/{self.tenant}/jobs{slash}{path}", **options)

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(job).json()
        return found

    def cancel(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("POST", f"/tenants/{self.tenant}/jobs/{job}/cancel").json()
        return found

    def until(self, job: str, *states: str, timeout_s: float = 120) -> dict[str, Any]:
        """The job, once it is in one of `states`."""
        wanted = states or OVER

        def look() -> dict[str, Any] | None:
            found = self.job(job)
            assert found["state"] in wanted or found["state"] not in OVER, found
            return found if found["state"] in wanted else None

        found: dict[str, Any] = eventually(f"{job} {wanted}", look, timeout_s=timeout_s)
        return found

    def log(self, job: str) -> bytes:
        """All of its log."""
        content, offset = bytearray(), 0
        while True:
            part = self.get(f"{job}/log", params={"offset": offset})
            assert part.status_code == 200, part.text
            content += part.content
            offset = int(part.headers["log-next"])
            if not part.content:
                return bytes(content)


@dataclass
class Site:
    """One running service and its instance's name on the engine."""

    service: Running
    instance: str
    state: Path

    def member(self, name: str, tenant: str = "physics") -> Client:
        return Client(self.service.person(name, groups=(tenant,)), tenant)

    def is_empty(self) -> None:
        """Fails unless the engine soon holds no container of this installation."""
        eventually("no container is left", lambda: not self.containers())

    def containers(self) -> list[Any]:
        """Every container of this installation, oldest first."""
        found = engine().containers.list(
            all=True, filters={"label": f"{INSTANCE_LABEL}={self.instance}"}, ignore_removed=True
        )
        return list(reversed(found))


def profiles(image: BaseImage, **resources: Any) -> list[dict[str, Any]]:
    """The catalogue: one profile of the tiny image."""
    limits = {"cpu": "500m", "memory": "64Mi"} | resources
    return [{"name": "base", "title": "Tiny", "image": image.reference, "resources": limits}]


@contextmanager
def clean(instance: str) -> Iterator[None]:
    """Remove what is left of an installation on the engine."""
    try:
        yield
    finally:
        client = engine()
        mine = {"label": f"{INSTANCE_LABEL}={instance}"}
        deadline = time.monotonic() + 30
        while found := client.containers.list(all=True, filters=mine, ignore_removed=True):
            for each in found:
                with contextlib.suppress(Exception):
                    each.remove(force=True, v=True)
            assert time.monotonic() < deadline
        for network in client.networks.list(filters=mine):
            network.remove()
        for volume in client.volumes.list(filters=mine):
            volume.remove()


@contextmanager
def site(folder: Path, image: BaseImage, **settings: Any) -> Iterator[Site]:
    """A service whose jobs really run."""
    instance = f"job{new_id()[:6]}"
    state = settings.pop("state", {}) | {"profiles": profiles(image, **settings.pop("resources", {}))}
    settings = {"instance": instance, "registry": image.registry, "state": state} | settings
    with clean(instance), running(folder, loops=True, **settings) as service:
        yield Site(service, instance, folder)

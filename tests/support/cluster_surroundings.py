"""What an organisation has beside its cluster, on this machine at an address that pods reach: PostgreSQL with a
password, a registry with TLS and a login, an identity provider. Everything is real and gone afterwards.

The machine's Docker Engine and the nodes must trust the registry's certificate, as an admin would see to: by
``/etc/docker/certs.d`` and the folder of HUBERNATE_TEST_CERTS (default: ``hosts`` beside the kubeconfig, else
``/etc/containerd/certs.d``), which must be on this machine.
"""

import base64
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support import postgres
from support.cluster import Cluster
from support.oidc_provider import OidcProvider
from support.stand_in import free_port

_LOGIN = "hubernate"
_DOCKER_CERTS = Path("/etc/docker/certs.d")


@dataclass(frozen=True)
class Registry:
    """One with TLS and a login, at `name` (host:port) for everybody."""

    name: str
    password: str
    certificate: str

    @property
    def url(self) -> str:
        return f"https://{self.name}"

    @property
    def login(self) -> str:
        """``USER:PASSWORD``"""
        return f"{_LOGIN}:{self.password}"

    @property
    def pull_config(self) -> str:
        """A Docker configuration with the login."""
        return json.dumps({"auths": {self.name: {"auth": base64.b64encode(self.login.encode()).decode()}}})

    def tags(self) -> dict[str, list[str]]:
        """What is in it: repository → tags."""
        trust = ssl.create_default_context(cadata=self.certificate)
        with httpx.Client(base_url=self.url, auth=(_LOGIN, self.password), verify=trust) as client:
            assert httpx.get(f"{self.url}/v2/", verify=trust).status_code == 401, "nobody gets in without the login"
            names = client.get("/v2/_catalog", params={"n": 1000}).json()["repositories"]
            return {name: client.get(f"/v2/{name}/tags/list").json().get("tags") or [] for name in names}


@dataclass(frozen=True)
class Surroundings:
    """All three."""

    registry: Registry
    provider: OidcProvider
    hub_db: str
    service_db: str

    def secrets(self) -> dict[str, str]:
        """Keys of the platform's Secret, as the install guide says."""
        return {
            "hub-db-url": self.hub_db,
            "service-db-url": self.service_db,
            "registry-login": self.registry.login,
            "pull-config.json": self.registry.pull_config,
            "oauth.json": json.dumps(self.provider.options()),
        }


def missing() -> str:
    """Why they cannot be had here; empty when they can."""
    if os.getuid() != 0:
        return "only root can have Docker Engine and nodes trust a registry's certificate"
    return postgres.missing()


@contextlib.contextmanager
def surroundings(cluster: Cluster, folder: Path) -> Iterator[Surroundings]:
    """PostgreSQL, registry and provider at the first node's address."""
    address = cluster.address()
    with (
        postgres.cluster(address) as database,
        _registry(cluster, folder, address) as registry,
        OidcProvider(folder, {"ada": ["research"], "linus": ["analytics"]}, host=address) as provider,
    ):
        databases = [postgres.create(database, name) for name in ("hub", "service")]
        yield Surroundings(registry, provider, *databases)


@contextlib.contextmanager
def _registry(cluster: Cluster, folder: Path, address: str) -> Iterator[Registry]:
    port, password = free_port(), secrets.token_hex(12)
    name, config = f"{address}:{port}", folder / "registry.yml"
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    _certify(address, key, certificate)
    (folder / "htpasswd").write_text(f"{_LOGIN}:{_bcrypt(password)}\n")
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "error"},
                "storage": {"filesystem": {"rootdirectory": f"{folder}/blobs"}, "delete": {"enabled": True}},
                "auth": {"htpasswd": {"realm": "tests", "path": f"{folder}/htpasswd"}},
                "http": {"addr": name, "tls": {"certificate": str(certificate), "key": str(key)}},
            }
        )
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        found = Registry(name, password, certificate.read_text())
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(httpx.HTTPError):
                found.tags()
                break
            assert time.monotonic() < deadline, (folder / "registry.log").read_text()
            time.sleep(0.1)
        with (
            _trusted(found, certificate, _DOCKER_CERTS, "ca.crt"),
            _trusted_by_nodes(found, certificate, cluster),
            _logged_in(found, folder),
        ):
            yield found
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def _logged_in(registry: Registry, folder: Path) -> Iterator[None]:
    """As `docker login` leaves it, for whoever pushes from this process."""
    (folder / "config.json").write_text(registry.pull_config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(folder))
        yield


@contextlib.contextmanager
def _trusted(registry: Registry, certificate: Path, places: Path, name: str) -> Iterator[Path]:
    place = places / registry.name
    place.mkdir(parents=True)
    try:
        shutil.copy(certificate, place / name)
        yield place
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def _trusted_by_nodes(registry: Registry, certificate: Path, cluster: Cluster) -> Iterator[None]:
    beside = cluster.kubeconfig.parent / "hosts"
    places = os.environ.get("HUBERNATE_TEST_CERTS") or (beside if beside.is_dir() else "/etc/containerd/certs.d")
    with _trusted(registry, certificate, Path(places), "ca.crt") as place:
        (place / "hosts.toml").write_text(
            f'server = "{registry.url}"\n[host."{registry.url}"]\n  capabilities = ["pull", "resolve"]\n'
            f'  ca = "{place}/ca.crt"\n'
        )
        yield


def _certify(address: str, key: Path, certificate: Path) -> None:
    uses = ("keyUsage=critical,digitalSignature,keyCertSign", f"subjectAltName=IP:{address}")
    names = [f"-addext={each}" for each in uses]
    command = ["openssl", "req", "-x509", "-newkey=ec", "-pkeyopt=ec_paramgen_curve:P-256", "-nodes", "-days=2"]
    command = [part for each in [*command, *names] for part in each.split("=", 1)]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=registry of the tests"]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=30)


def _bcrypt(password: str) -> str:
    """The one hash that docker-registry takes, by the system's own crypt(3)."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    made: bytes = crypt(password.encode(), b"$2b$05$abcdefghijklmnopqrstuu")
    return made.decode()

"""The files in the state folder that more than one process reads: ``platform.json`` and ``accounts.json`` (0001)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .kubernetes import Cluster
from .names import check_instance, check_tenant_name, normalise_user


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ports(_File):
    """Ports on this machine."""

    public: int = 8000
    proxy_api: int = 8001
    hub: int = 8081
    service: int = 8082
    registry: int = 5000


class Mirrors(_File):
    """Package mirrors and the CA bundle that every image build and notebook uses."""

    env: dict[str, str] = {}
    ca_bundle: str | None = Field(
        None, description="path of a PEM bundle, on this machine; in pods: /state/config/NAME"
    )


class PlatformImages(_File):
    """Images of the platform's own containers, by reference."""

    gate: str
    agent: str = ""


class Platform(_File):
    """``platform.json``: written by ``hubernate up``, read by every process."""

    instance: str
    node: str
    bridge_address: str = Field("", description="gateway address of Docker's default bridge; empty on Kubernetes")
    public_url: str = Field(description="where browsers reach the proxy: http://127.0.0.1:8000")
    ports: Ports = Ports()
    registry: str = "127.0.0.1:5000"
    registry_url: str = Field(
        "", description="where agents reach the registry; empty: by plain http at the name that images carry"
    )
    mirrors: Mirrors = Mirrors()
    images: PlatformImages
    kubernetes: Cluster | None = Field(None, description="on Kubernetes: its cluster; without it: Docker")

    _instance = field_validator("instance")(check_instance)

    def address(self, process: Literal["hub", "service"]) -> str:
        """Scheme, host and port at which the platform's other processes and the gates reach `process`."""
        host = f"{process}.{self.kubernetes.namespace}.svc" if self.kubernetes else self.bridge_address
        return f"http://{host}:{getattr(self.ports, process)}"

    @property
    def listen_address(self) -> str:
        """Where hub and service listen: in a pod everywhere, since NetworkPolicies say who reaches them."""
        return "0.0.0.0" if self.kubernetes else self.bridge_address


class Accounts(_File):
    """``accounts.json`` (0600): the embedded accounts. One password for people, another for the admin."""

    user_password: str = Field(min_length=8, repr=False)
    admin_password: str = Field(min_length=32, repr=False)
    admin: str = Field(description="user name of the admin")
    users: dict[str, tuple[str, ...]] = Field(
        description="user → names of the tenants they belong to; the admin may be in it"
    )

    _admin = field_validator("admin")(normalise_user)

    @field_validator("users")
    @classmethod
    def _users(cls, users: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {
            normalise_user(name): tuple(check_tenant_name(each) for each in tenants) for name, tenants in users.items()
        }

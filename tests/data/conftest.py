"""A service whose platform admin opened this machine's loopback, with ada and eve's notebooks running."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubernate_hub.data.config import DataGateway
from support.platform_service import Caller, Running, running
from support.stores import OPEN


@dataclass(frozen=True)
class Platform:
    """A running service and those who use it. `root` governs, ada is in physics, eve in biology."""

    service: Running
    root: Caller
    ada: Caller
    eve: Caller
    ada_token: str
    eve_token: str
    folder: Path

    def add(self, spec: dict[str, Any], credential: dict[str, str] | None = None, tenant: str = "physics") -> str:
        """Register a source; its name."""
        body: dict[str, Any] = {"source": spec} | ({"credential": {"values": credential}} if credential else {})
        answer = self.root("POST", f"/tenants/{tenant}/sources", json=body)
        assert answer.status_code == 201, answer.text
        return str(spec["name"])

    def notebook(self, method: str, path: str, *, token: str = "", **options: Any) -> httpx.Response:
        """A request that ada's notebook sends through its gate's relay."""
        return self.service.ask(method, f"/api/v1/relay/sources{path}", token or self.ada_token, **options)


def settings(folder: Path, **changes: Any) -> DataGateway:
    """Of a platform with one folder, whose loopback is open."""
    return DataGateway(open_networks=OPEN, folders={"shared": str(folder)}, **changes)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The platform's folder."""
    (tmp_path / "shared" / "team").mkdir(parents=True)
    return tmp_path / "shared"


@pytest.fixture
def data_settings(shared: Path) -> DataGateway:
    """Override to change them."""
    return settings(shared)


@pytest.fixture
def platform(tmp_path: Path, shared: Path, data_settings: DataGateway) -> Iterator[Platform]:
    with running(tmp_path / "state", data=data_settings) as service:
        yield people(service, shared)


def people(service: Running, shared: Path) -> Platform:
    """`Platform` on a running service."""
    ada = service.start("ada")
    eve = service.start("eve", tenant="biology", groups=("biology",))
    return Platform(
        service,
        service.person("root", admin=True),
        service.person("ada", groups=("physics",)),
        service.person("eve", groups=("biology",)),
        ada.ticket.relay_token,
        eve.ticket.relay_token,
        shared,
    )

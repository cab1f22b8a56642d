"""A port that somebody else listens on stops `up` before it does anything that takes long."""

import socket
from pathlib import Path

import pytest

from hubernate_core.errors import Conflict
from hubernate_core.platform_file import Ports
from hubernate_machine.layout import Layout, ensure_folders
from hubernate_machine.up import check_ports


def free_ports() -> Ports:
    """Five ports that were free a moment ago."""
    names = ("public", "proxy_api", "hub", "service", "registry")
    held = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    try:
        return Ports(**{name: each.getsockname()[1] for name, each in zip(names, held, strict=True)})
    finally:
        for each in held:
            each.close()


@pytest.mark.parametrize(("name", "variable"), [("registry", "HUBERNATE_REGISTRY_PORT"), ("public", "HUBERNATE_PORT")])
def test_a_taken_port_is_named_with_what_changes_it(tmp_path: Path, name: str, variable: str) -> None:
    layout, ports = Layout(tmp_path), free_ports()
    ensure_folders(layout)
    check_ports(ports, "127.0.0.1", layout)
    port = getattr(ports, name)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Conflict) as refused:
        check_ports(ports, "127.0.0.1", layout)
    assert f"Port {port}, which the platform needs ({name}), is taken by" in refused.value.message
    assert variable in refused.value.message

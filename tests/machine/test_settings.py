"""What the environment says: ports move together, nonsense is refused and named."""

from pathlib import Path

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_core.platform_file import Ports
from hubernate_machine.settings import read_ports, read_settings


def test_one_port_moves_all() -> None:
    ports = read_ports({"HUBERNATE_PORT": "8300"})
    assert ports == Ports(public=8300, proxy_api=8301, hub=8381, service=8382, registry=8350)


def test_nothing_said_keeps_what_is() -> None:
    assert read_ports({}) is None


def test_a_port_of_its_own_wins() -> None:
    ports = read_ports({"HUBERNATE_PORT": "8300", "HUBERNATE_REGISTRY_PORT": "5005"})
    assert ports is not None
    assert (ports.registry, ports.hub) == (5005, 8381)


@pytest.mark.parametrize(
    "env",
    [
        {"HUBERNATE_PORT": "80"},
        {"HUBERNATE_PORT": "65500"},
        {"HUBERNATE_PORT": "８000"},
        {"HUBERNATE_PORT": "-1"},
        {"HUBERNATE_HUB_PORT": "8000"},
    ],
    ids=["privileged", "others would not fit", "not ASCII", "negative", "same as another"],
)
def test_a_wrong_port_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="PORT"):
        read_ports(env)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/home/x"}, "/home/x/.local/share/hubernate/hubernate"),
        ({"HOME": "/home/x", "HUBERNATE_INSTANCE": "two"}, "/home/x/.local/share/hubernate/two"),
        ({"HOME": "/home/x", "XDG_DATA_HOME": "/data"}, "/data/hubernate/hubernate"),
        ({"HOME": "/home/x", "HUBERNATE_STATE": "/srv/hub"}, "/srv/hub"),
    ],
)
def test_the_state_folder(env: dict[str, str], expected: str) -> None:
    assert read_settings(env).state == Path(expected)


@pytest.mark.parametrize(
    "env", [{"HUBERNATE_INSTANCE": "Bad_Name"}, {"HUBERNATE_INSTANCE": "x" * 21}, {"HUBERNATE_PROFILES": "base,gpu"}]
)
def test_a_wrong_name_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        read_settings({"HOME": "/home/x", **env})

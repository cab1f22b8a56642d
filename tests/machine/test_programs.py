"""supervisord.conf: readable by supervisord, without a secret in it, the proxy nobody's child."""

import configparser
from pathlib import Path

import pytest

from hubernate_core.platform_file import Mirrors, Platform, PlatformImages, Ports
from hubernate_machine.layout import Layout, ensure_folders, ensure_secrets
from hubernate_machine.programs import Program, configuration, programs, section


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    ensure_folders(made)
    ensure_secrets(made)
    return made


def platform() -> Platform:
    return Platform(
        instance="here",
        node="local",
        bridge_address="172.17.0.1",
        public_url="http://127.0.0.1:9000",
        ports=Ports(public=9000, proxy_api=9001, hub=9081, service=9082, registry=9050),
        images=PlatformImages(gate="g", agent="a"),
    )


def read(layout: Layout) -> configparser.ConfigParser:
    text = configuration(programs(platform(), layout, Path("/clone"), Path("/clone/.venv/bin")), layout)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def test_everything_listens_where_it_should(layout: Layout) -> None:
    proxy = read(layout)["program:proxy"]["command"]
    assert "--ip 127.0.0.1 --port 9000 --api-ip 127.0.0.1 --api-port 9001" in proxy
    assert "http://172.17.0.1:9081" in proxy


def test_four_programs_each_with_a_turning_log(layout: Layout) -> None:
    parser = read(layout)
    names = {name.removeprefix("program:") for name in parser.sections() if name.startswith("program:")}
    assert names == {"registry", "proxy", "service", "hub"}
    for name in names:
        assert parser[f"program:{name}"]["stdout_logfile_maxbytes"] == "10MB"
        assert parser[f"program:{name}"]["autorestart"] == "true"


def test_no_secret_stands_in_the_configuration(layout: Layout) -> None:
    text = configuration(programs(platform(), layout, Path("/clone"), Path("/clone/.venv/bin")), layout)
    for path in layout.folder("secrets").iterdir():
        assert path.read_text().strip() not in text
    assert 'CONFIGPROXY_AUTH_TOKEN="$(cat ' in text


def test_percent_signs_and_spaces_survive(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "a b%s")
    program = Program("hub", ["/x y/hub", "100%"], layout.root, 1, {"A": "5%"})
    text = section(program, layout)
    assert "command='/x y/hub' 100%%" in text
    assert 'A="5%%"' in text
    assert "a b%%s" in text


@pytest.mark.parametrize(
    ("changed", "restarted"),
    [
        ({}, set()),
        ({"bridge_address": "172.30.0.1"}, {"proxy", "service", "hub"}),
        ({"images": PlatformImages(gate="newer", agent="a")}, {"service", "hub"}),
        ({"mirrors": Mirrors(env={"PIP_INDEX_URL": "http://mirror.example"})}, {"service", "hub"}),
    ],
    ids=["nothing", "bridge", "gate image", "mirrors"],
)
def test_what_reads_platform_json_is_restarted_when_it_changes(
    layout: Layout, changed: dict[str, object], restarted: set[str]
) -> None:
    """supervisord restarts a program whose section is another one, and no other: people's connections stay."""

    def sections(described: Platform) -> dict[str, str]:
        made = programs(described, layout, Path("/clone"), Path("/clone/.venv/bin"))
        return {each.name: section(each, layout) for each in made}

    before, after = sections(platform()), sections(platform().model_copy(update=changed))
    assert {name for name in before if before[name] != after[name]} == restarted

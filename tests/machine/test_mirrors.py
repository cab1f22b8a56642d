"""This machine's mirrors and CA reach builds and notebooks; what must not leave this machine does not."""

from pathlib import Path

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_core.profile import check_env
from hubernate_machine.mirrors import Found, build_files, find_mirrors, first_apt_mirror, for_notebooks, sources_list

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(CERTIFICATE)
    return path


def test_pip_configuration_is_taken_over() -> None:
    found = find_mirrors({}, {"index-url": "https://mirror.example/simple"}, {}, "")
    assert found.pip_index == "https://mirror.example/simple"
    assert for_notebooks(found, "127.0.0.1").env["PIP_INDEX_URL"] == "https://mirror.example/simple"


def test_an_index_on_this_machine_alone_is_not() -> None:
    assert find_mirrors({}, {"index-url": "file:///srv/simple"}, {}, "").pip_index == ""


def test_an_extra_index_is_never_passed_on() -> None:
    found = find_mirrors({}, {"extra-index-url": "https://private.example/simple"}, {}, "")
    assert found.pip_index == ""
    assert "private.example" not in str(for_notebooks(found, ""))


def test_our_variable_wins() -> None:
    env = {"HUBERNATE_PIP_INDEX_URL": "https://ours.example/simple", "PIP_INDEX_URL": "https://other.example/simple"}
    assert find_mirrors(env, {}, {}, "").pip_index == "https://ours.example/simple"


@pytest.mark.parametrize("url", ["ftp://mirror.example", "mirror.example/simple", 'https://a.example/"x', "https://"])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="HUBERNATE_PIP_INDEX_URL"):
        find_mirrors({"HUBERNATE_PIP_INDEX_URL": url}, {}, {}, "")


def test_the_bundle_is_found_where_programs_are_told_of_it(bundle: Path) -> None:
    for env, pip in (
        ({"SSL_CERT_FILE": str(bundle)}, {}),
        ({}, {"cert": str(bundle)}),
        ({"HUBERNATE_CA_BUNDLE": str(bundle)}, {}),
    ):
        assert find_mirrors(env, pip, {}, "").ca_bundle == bundle


@pytest.mark.parametrize(
    "content", ["", "hello", CERTIFICATE + "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----\n"]
)
def test_a_wrong_bundle_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(content)
    with pytest.raises(InvalidInput, match="HUBERNATE_CA_BUNDLE"):
        find_mirrors({"HUBERNATE_CA_BUNDLE": str(path)}, {}, {}, "")


def test_a_named_bundle_that_is_missing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        find_mirrors({"HUBERNATE_CA_BUNDLE": "/nowhere/ca.pem"}, {}, {}, "")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("deb http://mirror.example/debian bookworm main", "http://mirror.example/debian"),
        ("# deb http://old.example/debian x main\ndeb [signed-by=/k] https://m.example/debian/ x main", "https://m.example/debian"),
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm", "http://mirror.example/debian"),
        ("deb http://security.example/debian-security x main", ""),
        ("deb file:///srv/debian bookworm main", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_apt_mirror(sources: str, expected: str) -> None:
    assert first_apt_mirror(sources) == expected


def test_security_updates_come_along_where_they_lie_as_usual() -> None:
    assert "http://m.example/debian-security bookworm-security" in sources_list("http://m.example/debian/")
    assert "security" not in sources_list("http://m.example/mirror")


def test_builds_get_files_and_notebooks_only_variables(bundle: Path) -> None:
    found = Found(
        pip_index="https://user:p%40ss@mirror.example/simple",
        apt_mirror="http://mirror.example/debian",
        ca_bundle=bundle,
        proxies=(("HTTPS_PROXY", "http://proxy.example:3128"), ("NO_PROXY", "example.org")),
    )
    files = build_files(found)
    assert files["ca.crt"].decode() == CERTIFICATE
    # "%" would be read as interpolation by pip.
    assert b"index-url = https://user:p%%40ss@mirror.example/simple" in files["pip.conf"]
    assert b'Acquire::https::Proxy "http://proxy.example:3128"' in files["apt.conf"]
    assert b"Dir::Etc::sourcelist" in files["apt.conf"]
    notebook = for_notebooks(found, "127.0.0.1,172.17.0.1")
    assert notebook.env["NO_PROXY"] == "example.org,127.0.0.1,172.17.0.1"
    assert notebook.ca_bundle == str(bundle)
    for name, value in notebook.env.items():
        check_env(name, value)


def test_nothing_found_says_nothing() -> None:
    assert for_notebooks(Found(), "127.0.0.1").env == {}
    assert b"index-url" not in build_files(Found())["pip.conf"]

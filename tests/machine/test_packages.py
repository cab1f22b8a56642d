"""What is missing is told with its Debian package and reason; only Debian and Ubuntu are installed on."""

import pytest

from hubernate_core.errors import NotAllowed
from hubernate_machine import packages
from hubernate_machine.packages import NEEDS, distribution, ensure_packages, missing


def nothing(program: str) -> str | None:
    return None


def test_everything_is_missing_on_a_bare_machine() -> None:
    found = missing(engine_answers=False, has_root_image=False, look=nothing)
    assert {need.package for need in found} == {"docker.io", "docker-registry", "iptables", "debootstrap"}


def test_an_engine_elsewhere_needs_no_dockerd_here() -> None:
    found = missing(engine_answers=True, has_root_image=True, look=nothing)
    assert {need.program for need in found} == {"docker-registry", "iptables"}


@pytest.mark.parametrize(
    ("release", "apt"),
    [
        ('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"', True),
        ("ID=ubuntu\nID_LIKE=debian", True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"', True),
        ("ID=fedora", False),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', False),
        ("", False),
    ],
)
def test_distributions(release: str, apt: bool) -> None:
    assert distribution(release)[1] is apt


@pytest.mark.parametrize("reason", ["no root", "another distribution"])
def test_a_list_of_what_to_install(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    other = reason == "another distribution"
    monkeypatch.setattr(packages, "distribution", lambda: ("Fedora Linux 42" if other else "Debian", not other))
    monkeypatch.setattr(packages, "as_root", lambda: [] if other else None)
    with pytest.raises(NotAllowed) as refusal:
        ensure_packages(NEEDS)
    for need in NEEDS:
        assert need.package in refusal.value.message
    assert "Nothing was changed" in refusal.value.message

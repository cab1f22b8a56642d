"""The catalogue: strict fields, environment that cannot steer the platform (B15, B17)."""

from typing import Any

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_core.profile import Resources, check_env, read_profile


def a_profile(**changes: Any) -> dict[str, Any]:
    return {
        "name": "base",
        "title": "Python",
        "image": "127.0.0.1:5000/profiles/base@sha256:" + "a" * 64,
        "resources": {"cpu": "2", "memory": "4Gi"},
    } | changes


def test_a_profile_holds_numbers() -> None:
    profile = read_profile(a_profile())
    assert (profile.resources.cpu, profile.resources.memory) == (2000, 4 * 2**30)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image": "ubuntu"}, "image"),
        ({"name": "../x"}, "profile"),
        ({"cpus": 2}, "profile.cpus"),
        ({"privileged": True}, "profile.privileged"),
        ({"kubespawner_override": {}}, "profile.kubespawner_override"),
        ({"resources": {"cpu": "1Gi", "memory": "1Gi"}}, "cpu"),
        ({"resources": {"cpu": "1", "memory": -1}}, "memory"),
        ({"resources": {"cpu": "1"}}, "profile.resources.memory"),
        ({"env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_profile(a_profile(**changes))
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/x"),
        ("LD_PRELOAD", "x"),
        ("PYTHONPATH", "x"),
        ("JUPYTERHUB_API_TOKEN", "x"),
        ("KUBERNETES_PORT", "x"),
        ("NVIDIA_VISIBLE_DEVICES", "all"),
        ("HUBERNATE_SAFE", "1"),
        ("lower", "x"),
        ("A B", "x"),
        ("1A", "x"),
        ("", "x"),
        ("OK", "a\nb"),
        ("OK", "a\0b"),
        ("OK", "x" * 5000),
    ],
    ids=repr,
)
def test_environment_of_the_platform_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=r"^env\."):
        check_env(name, value)


def test_ordinary_environment_is_accepted() -> None:
    check_env("OMP_NUM_THREADS", "2")


def test_a_profile_survives_json() -> None:
    resources = Resources.model_validate({"cpu": "500m", "memory": "4Gi", "pids": 256})
    assert Resources.model_validate_json(resources.model_dump_json()) == resources

"""A tenant's rules of culling: first match wins, bounds, and every mistake named with its field."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from hubernate_core.culling import Culling
from hubernate_core.errors import InvalidInput
from hubernate_core.profile import Profile
from hubernate_core.tenant import TenantSettings, check_own_change


def profile(name: str, **labels: str) -> Profile:
    image = f"registry:5000/profiles/{name}@sha256:" + "a" * 64
    resources = {"cpu": "2", "memory": "4Gi"}
    return Profile.model_validate(
        {"name": name, "title": name, "image": image, "resources": resources, "labels": labels}
    )


def test_the_first_rule_that_matches_wins_and_the_tenants_own_is_the_last() -> None:
    culling = Culling.model_validate(
        {
            "idle_after": "PT4H",
            "rules": [
                {"profiles": ["gpu", "torch"], "idle_after": "PT30M"},
                {"labels": {"class": "gpu"}, "idle_after": "PT20M"},
                {"profiles": ["spark"], "labels": {"class": "big", "team": "a"}, "idle_after": "PT10M"},
            ],
        }
    )

    def minutes(one: Profile) -> float:
        return culling.rule_for(one).idle_after / timedelta(minutes=1)

    assert minutes(profile("gpu", **{"class": "gpu"})) == 30
    assert minutes(profile("a100", **{"class": "gpu"})) == 20
    assert minutes(profile("spark", **{"class": "big", "team": "a"})) == 10
    assert minutes(profile("spark", **{"class": "big"})) == 240, "all of a rule's labels must be there"
    assert culling.rule_for(profile("base")) is culling


def test_what_was_stored_by_earlier_versions_is_a_rule() -> None:
    old = {"idle_after": "PT1H", "max_age": None, "cpu_floor": 0.05}
    assert Culling.model_validate(old) == Culling()
    assert TenantSettings.model_validate({"culling": old}).model_dump(mode="json")["culling"]["rules"] == []


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("idle_after", "-PT5M", ("idle_after",)),
        ("working_hours", "9 to 5", ("working_hours",)),
        ("off_hours_idle_after", "PT1H", ()),
        ("gpu_floor", 40, ("gpu_floor",)),
        ("gpu_idle_after", "PT0S", ("gpu_idle_after",)),
        ("activity", [], ("activity",)),
        ("activity", ["tab"], ("activity", 0)),
        ("rules", [{"idle_after": "PT1H"}], ("rules", 0)),
        ("rules", [{"profiles": ["gpu"]}, {"profiles": ["No Such"]}], ("rules", 1, "profiles")),
        ("rules", [{"labels": {"a b": "c"}}], ("rules", 0, "labels")),
        ("rules", [{"profiles": ["gpu"], "rules": []}], ("rules", 0, "rules")),
    ],
)
def test_a_mistake_is_named(field: str, value: Any, where: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        Culling.model_validate({field: value})
    assert refused.value.errors()[0]["loc"] == where


@pytest.mark.parametrize(
    ("bounds", "culling", "field"),
    [
        ({"idle_after_max": "PT2H"}, {"idle_after": "PT3H"}, "culling.idle_after"),
        (
            {"idle_after_max": "PT2H"},
            {"working_hours": "Mon 08:00-18:00 UTC", "off_hours_idle_after": "PT3H"},
            "culling.off_hours_idle_after",
        ),
        (
            {"idle_after_max": "PT2H"},
            {"rules": [{"profiles": ["gpu"], "idle_after": "PT3H"}]},
            "culling.rules.0.idle_after",
        ),
        ({"max_age_max": "P2D"}, {"max_age": "P1D", "rules": [{"profiles": ["gpu"]}]}, "culling.rules.0.max_age"),
        ({"keep_awake_max": "PT2H"}, {}, "culling.keep_awake"),
    ],
)
def test_a_tenants_own_admin_stays_within_the_bounds_in_every_rule(
    bounds: dict[str, Any], culling: dict[str, Any], field: str
) -> None:
    before = TenantSettings.model_validate({"bounds": bounds})
    with pytest.raises(InvalidInput) as refused:
        check_own_change(before, TenantSettings.model_validate({"bounds": bounds, "culling": culling}))
    assert refused.value.field == field

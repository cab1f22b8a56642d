"""The catalogue keeps what an admin wrote and moves only our images."""

from typing import Any

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_machine.images.catalogue import merge

OLD, NEW = (f"127.0.0.1:5000/profiles/base@sha256:{digit * 64}" for digit in "01")
OWN: dict[str, Any] = {
    "name": "team",
    "title": "Ours",
    "image": f"127.0.0.1:5000/profiles/team@sha256:{'a' * 64}",
    "resources": {"cpu": "1", "memory": "1Gi"},
}


def test_a_first_build_writes_our_profiles() -> None:
    (entry,) = merge([], {"base": NEW})
    assert (entry["name"], entry["image"]) == ("base", NEW)
    assert entry["resources"]["memory"] == "2Gi"


def test_a_new_build_moves_the_image_and_keeps_the_rest() -> None:
    (before,) = merge([], {"base": OLD})
    before["title"], before["resources"]["memory"] = "Our Python", "8Gi"
    (after,) = merge([before], {"base": NEW})
    assert (after["image"], after["title"], after["resources"]["memory"]) == (NEW, "Our Python", "8Gi")


def test_profiles_of_an_admin_stay() -> None:
    names = [entry["name"] for entry in merge([OWN], {"base": NEW})]
    assert names == ["base", "team"]


def test_merging_twice_changes_nothing() -> None:
    once = merge([OWN], {"base": NEW})
    assert merge(once, {"base": NEW}) == once


def test_a_profile_that_was_not_built_this_time_stays() -> None:
    both = merge([], {"base": OLD, "spark": OLD.replace("base", "spark")})
    assert [entry["name"] for entry in merge(both, {"base": NEW})] == ["base", "spark"]


def test_a_malformed_entry_is_refused() -> None:
    with pytest.raises(InvalidInput, match="names no registry"):
        merge([{**OWN, "image": "python:latest"}], {})

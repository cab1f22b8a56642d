"""Differences that must be repaired, and those that are only the API server's way of writing."""

from typing import Any

import pytest

from hubernate_core.kubernetes import Cluster
from hubernate_core.manifests.tenant import TenantSpec, make_tenant
from hubernate_core.names import TenantId
from hubernate_hub.kube.drift import differences
from hubernate_hub.kube.resources import resource_of

WANTED = {"metadata": {"labels": {"a": "b"}}, "spec": {"hard": {"pods": "5"}, "rules": [{"ports": [{"port": 53}]}]}}


def found(**spec: Any) -> dict[str, Any]:
    rules = [{"ports": [{"port": 53, "protocol": "TCP"}]}]
    base = {"hard": {"pods": "5"}, "rules": rules, "added": "default"}
    return {"metadata": {"labels": {"a": "b"}, "uid": "x"}, "spec": base | spec, "status": {"used": 1}}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"hard": {"pods": "6"}}, ["spec.hard.pods"]),
        ({"hard": {}}, ["spec.hard.pods"]),
        ({"rules": []}, ["spec.rules"]),
        ({"rules": [{"ports": [{"port": 54}]}]}, ["spec.rules[0].ports[0].port"]),
        ({"rules": [{"ports": [{"port": 53}]}, {"to": "all"}]}, ["spec.rules"]),
    ],
)
def test_what_we_say_must_be_there_and_nothing_else_matters(changed: dict[str, Any], told: list[str]) -> None:
    assert differences(WANTED, found(**changed)) == told


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("1000m", "1", True), ("1024Mi", "1Gi", True), ("5", 5, True), ("1", "2", False), ("v1.36", "v1.37", False)],
)
def test_amounts_are_compared_as_amounts(ours: Any, theirs: Any, same: bool) -> None:
    assert (differences({"a": ours}, {"a": theirs}) == []) is same


def test_an_empty_part_that_the_api_server_leaves_out_is_no_difference() -> None:
    assert differences({"spec": {"podSelector": {}, "list": []}}, {"spec": {}}) == []


def test_an_object_in_a_list_does_not_say_its_kind() -> None:
    assert differences({"apiVersion": "v1", "kind": "Namespace"} | WANTED, found()) == []


def test_every_object_of_a_tenant_is_of_a_kind_that_this_service_knows() -> None:
    spec = TenantSpec(
        "hubernate",
        TenantId("a123456789"),
        "Physics",
        Cluster(),
        pull_credentials="{}",
        ca_bundle="-----BEGIN CERTIFICATE-----",
    )
    assert {resource_of(each).plural for each in make_tenant(spec)} >= {"namespaces", "secrets", "configmaps"}

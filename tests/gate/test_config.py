"""The gate's file: one shape with the spawner's, and strict."""

import json
from dataclasses import MISSING, fields
from typing import Any

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_core.gate_file import GateFile
from hubernate_gate.config import Gate, GateSettings, parse_settings, tuning

GIVEN: dict[str, Any] = {
    "server_id": "sabcdefghi",
    "generation": 1,
    "user": "ada",
    "prefix": "/user/ada/",
    "hub_api_url": "http://172.17.0.1:8081/hub/api",
    "client_id": "jupyterhub-user-ada",
    "hub_token": "canary-hub",
    "callback_path": "/user/ada/oauth_callback",
    "access_scopes": ["access:servers!server=ada/"],
    "service_url": "http://172.17.0.1:8082/services/hubernate",
    "relay_token": "canary-relay",
}


def test_what_the_spawner_writes_is_what_the_gate_reads() -> None:
    file = GateFile(**GIVEN)
    settings = parse_settings(file.model_dump_json())
    for name in GateFile.model_fields:
        assert getattr(settings, name) == getattr(file, name), name
    assert {each.name for each in fields(GateSettings)} == set(GateFile.model_fields)
    for each in fields(GateSettings):
        needed = each.default is MISSING and each.default_factory is MISSING
        assert needed == GateFile.model_fields[each.name].is_required(), each.name


def test_tokens_are_not_in_its_representation() -> None:
    assert "canary" not in repr(parse_settings(json.dumps(GIVEN)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"generation": "1"}, "generation"),
        ({"generation": True}, "generation"),
        ({"generation": 1.0}, "generation"),
        ({"prefix": "/user/ada"}, "prefix"),
        ({"prefix": "/user/../ada/"}, "prefix"),
        ({"prefix": "user/ada/"}, "prefix"),
        ({"callback_path": "/user/bob/oauth_callback"}, "callback_path"),
        ({"hub_api_url": "172.17.0.1:8081"}, "hub_api_url"),
        ({"upstream": "file:///etc/passwd"}, "upstream"),
        ({"access_scopes": []}, "access_scopes"),
        ({"access_scopes": "access:servers"}, "access_scopes"),
        ({"access_scopes": [1]}, "access_scopes"),
        ({"hub_token": ""}, "hub_token"),
        ({"listen": "8888"}, "listen"),
        ({"listen": "0.0.0.0:99999"}, "listen"),
        ({"listen": "0.0.0.0:１"}, "listen"),
        ({"settings": []}, "settings"),
        ({"hubtoken": "x"}, "hubtoken"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_settings(json.dumps(GIVEN | change))
    assert field in refused.value.message and "canary" not in refused.value.message


def test_what_is_not_one_json_object_is_refused() -> None:
    for text in ("", "[]", "null", "[" * 100_000, '{"a": NaN}', '{"server_id": "a", "server_id": "b"}'):
        with pytest.raises(InvalidInput):
            parse_settings(text)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"revalidate_s": 301}, "revalidate_s"),
        ({"revalidate_s": "soon"}, "revalidate_s"),
        ({"revalidate": 60}, "revalidate_s?"),
        ({"log_level": "LOUD"}, "log_level"),
        ({"parent": 1}, "no such setting"),
    ],
    ids=str,
)
def test_an_admins_mistake_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=r"c\.Gate") as refused:
        tuning(parse_settings(json.dumps(GIVEN | {"settings": settings})))
    assert said in refused.value.message


def test_an_admins_settings_count() -> None:
    given = {"revalidate_s": 60, "polling_paths": ["x/"], "log_level": "DEBUG"}
    gate = tuning(parse_settings(json.dumps(GIVEN | {"settings": given})))
    assert (gate.revalidate_s, gate.polling_paths, gate.log_level) == (60, ["x/"], "DEBUG")


def test_every_setting_is_explained() -> None:
    for name, trait in Gate.class_traits(config=True).items():
        assert "Default" in trait.help, name

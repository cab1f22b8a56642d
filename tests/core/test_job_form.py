"""What a form asks: the schema of each kind is the request's own, with what the person may choose."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from hubernate_core.job_form import Choice, kinds
from hubernate_core.job_request import JobRequest, Work

_PROFILES = [Choice(value="base", title="Python"), Choice(value="large", title="Large")]
_ENVIRONMENTS = [Choice(value="current", title="This notebook's"), Choice(value="profile", title="A profile's own")]


def schemas() -> dict[str, dict[str, Any]]:
    found = kinds(_PROFILES, _ENVIRONMENTS)
    return {each.name: each.model_dump(by_alias=True)["schema"] for each in found}


def test_every_kind_of_work_has_a_form_with_every_option() -> None:
    found = schemas()
    assert set(found) == set(TypeAdapter(Work).json_schema()["discriminator"]["mapping"])
    for schema in found.values():
        assert set(schema["properties"]) == set(JobRequest.model_fields), "a new option is in every form"
        assert (
            schema["properties"]["timeout_s"] | {"unit": "s", "maximum": 30 * 86400}
            == schema["properties"]["timeout_s"]
        )
        assert schema["$defs"]["Priority"]["enum"] == ["high", "normal", "low"]
    assert set(found["script"]["properties"]["work"]["properties"]) == {"kind", "script", "args"}
    assert "parameters" in found["notebook"]["properties"]["work"]["properties"]


def test_only_what_the_person_may_use_is_offered() -> None:
    properties = schemas()["script"]["properties"]
    assert [each["const"] for each in properties["profile"]["oneOf"]] == ["", "base", "large"]
    assert [each["const"] for each in properties["env"]["oneOf"]] == ["current", "profile"]
    assert properties["env"]["default"] == "current", "the first is the usual one"


@pytest.mark.parametrize(("name", "kind"), [("a.py", "script"), ("b.sh", "script"), ("c.ipynb", "notebook")])
def test_a_file_finds_its_kind_by_the_pattern(name: str, kind: str) -> None:
    import re

    fits = {
        each
        for each, schema in schemas().items()
        for option in schema["properties"]["work"]["properties"].values()
        if option.get("format") == "path" and re.search(option["pattern"], name)
    }
    assert fits == {kind}

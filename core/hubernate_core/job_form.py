"""What a form asks of whoever submits a job: for each kind the JSON Schema of its request. Pure.

The schema is `JobRequest`'s own, so that a new option is in every form; added are what this person may choose from,
and titles in the place of names.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from .job_request import JobRequest, Work

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "args": {"title": "Arguments"},
    "env": {
        "title": "Environment",
        "description": "a notebook's is saved first where it changed, and the notebook goes on",
    },
    "home": {"title": "Home folder"},
    "notebook": {"format": "path", "pattern": r"\.ipynb$"},
    "profile": {"description": "how much of the team's quota it takes, and its variables"},
    "script": {"format": "path", "pattern": r"\.(py|sh)$"},
    "timeout_s": {"title": "Time limit", "unit": "s"},
}
"""Where pydantic's own title, made of the field's name, is not what a person would say; units; and which files
a kind runs."""


class Choice(BaseModel):
    """A value that a person may choose, and what it is called."""

    model_config = ConfigDict(frozen=True)
    value: str
    title: str


class JobKind(BaseModel):
    """A kind of job. `name`: as in ``work.kind``."""

    model_config = ConfigDict(frozen=True)
    name: str
    title: str
    json_schema: dict[str, Any] = Field(
        serialization_alias="schema", description="JSON Schema of a request of this kind; the kind's own are in `work`"
    )


def kinds(profiles: Iterable[Choice], environments: Iterable[Choice]) -> tuple[JobKind, ...]:
    """Every kind there is.

    Args:
        profiles: those that the person may use.
        environments: values of `JobRequest.env` that they may use, the usual one first.
    """
    chosen = {"profile": [Choice(value="", title="As the environment's own"), *profiles], "env": list(environments)}
    return tuple(_kind(each, chosen) for each in get_args(get_args(Work)[0]))


def _kind(work: type[BaseModel], chosen: Mapping[str, list[Choice]]) -> JobKind:
    name = str(get_args(work.model_fields["kind"].annotation)[0])
    schema, own = JobRequest.model_json_schema(), work.model_json_schema()
    definitions = schema.pop("$defs") | own.pop("$defs", {})
    own["properties"]["kind"]["default"] = name
    schema["properties"]["work"] = own
    for properties in (schema["properties"], own["properties"]):
        for option, more in _OPTIONS.items():
            if option in properties:
                properties[option] |= more
    for option, choices in chosen.items():
        schema["properties"][option] |= {
            "oneOf": [{"const": each.value, "title": each.title} for each in choices],
            "default": choices[0].value if choices else "",
        }
    schema |= {"title": name.title(), "$defs": {key: definitions[key] for key in _named(schema)}}
    return JobKind(name=name, title=name.title(), json_schema=schema)


def _named(schema: Any) -> set[str]:
    """Definitions that are referred to."""
    if isinstance(schema, dict):
        here = {str(schema["$ref"]).rpartition("/")[2]} if isinstance(schema.get("$ref"), str) else set()
        return here.union(*map(_named, schema.values()))
    return set().union(*map(_named, schema)) if isinstance(schema, list) else set()

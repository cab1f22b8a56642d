"""Label and field selectors → predicates (k8s.io/apimachinery/pkg/labels and fields)."""

import re
from collections.abc import Callable
from typing import Any

from .resources import Object, Resource
from .status import Refusal, bad_request

Predicate = Callable[[Object], bool]

_SET_BASED = re.compile(r"^\s*(\S+?)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([A-Za-z0-9][-A-Za-z0-9_./]*)\s*$")
_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


def by_labels(selector: str) -> Predicate:
    """`a=b,c!=d,e in (f,g),h notin (i),j,!k`. 400 for anything else."""
    terms = [_label_term(term) for term in _OUTSIDE_PARENTHESES.split(selector) if term.strip()]

    def matches(found: Object) -> bool:
        labels = found["metadata"].get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def _label_term(term: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET_BASED.match(term):
        key, values = match[1], {value.strip() for value in match[3].split(",")}
        return (
            (lambda labels: labels.get(key) in values and key in labels)
            if match[2] == "in"
            else (lambda labels: labels.get(key) not in values)
        )
    if match := _EQUALITY.match(term):
        key, value = match[1], match[3]
        return (
            (lambda labels: labels.get(key) != value) if match[2] == "!=" else (lambda labels: labels.get(key) == value)
        )
    if match := _EXISTS.match(term):
        key = match[2]
        return (lambda labels: key not in labels) if match[1] else (lambda labels: key in labels)
    raise bad_request(f"unable to parse requirement: found '{term}'")


_FIELDS: dict[str, set[str]] = {
    "pods": {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
             "status.phase", "status.podIP", "status.nominatedNodeName"},
    "events": {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
               "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
               "reportingComponent", "source", "type"},
    "secrets": {"type"},
    "namespaces": {"status.phase"},
    "nodes": {"spec.unschedulable"},
    "jobs": {"status.successful"},
}  # fmt: skip


def by_fields(selector: str, resource: Resource) -> Predicate:
    """`metadata.name=x,status.phase!=Running`: the fields that the API server indexes, 400 for others."""
    known = {"metadata.name"} | ({"metadata.namespace"} if resource.namespaced else set())
    known |= _FIELDS.get(resource.plural, set())
    terms: list[tuple[str, bool, str]] = []
    for term in filter(None, selector.split(",")):
        match = re.match(r"^([^=!]+)(==|=|!=)(.*)$", term)
        if not match:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{term}'")
        if match[1] not in known:
            raise Refusal(400, "BadRequest", f"field label not supported: {match[1]}")
        terms.append((match[1], match[2] != "!=", match[3]))
    return lambda found: all((_text(_at(found, path)) == value) is equal for path, equal, value in terms)


def name_of(selector: str) -> str:
    """The one name that a field selector asks for; authorization looks at it (resourceNames). Empty if none."""
    match = re.search(r"(?:^|,)metadata\.name==?([^,]+)", selector)
    return match[1] if match else ""


def _at(found: Any, path: str) -> Any:
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("component", ""))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)

"""422: names, labels, and what may not change (k8s.io/kubernetes/pkg/apis/*/validation)."""

import json
import re
from collections.abc import Iterator, Sequence

from . import status
from .quantity import amount
from .resources import CLAIMS, PODS, Object, Resource

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_BOUNDS = "and must start and end with an alphanumeric character"
_SAID = {
    "subdomain": f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    f"{_BOUNDS} (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')",
    "label": f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_BOUNDS} "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')",
    "label1035": "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')",
}
_VALUE_SAID = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_SAID = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "''([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)

Problem = tuple[str, str, str]


def name_problems(name: str, rule: str, field: str = "metadata.name") -> Iterator[Problem]:
    """What is wrong with a name under that rule."""
    if not name:
        yield field, "FieldValueRequired", "Required value: name or generateName is required"
        return
    if rule == "path":
        if name in (".", "..") or "/" in name or "%" in name:
            yield field, "FieldValueInvalid", f"Invalid value: \"{name}\": may not contain '/' or '%'"
        return
    longest = 253 if rule == "subdomain" else 63
    pattern = {"subdomain": _SUBDOMAIN, "label": _LABEL, "label1035": "[a-z]([-a-z0-9]*[a-z0-9])?"}[rule]
    if len(name) > longest:
        yield field, "FieldValueInvalid", f'Invalid value: "{name}": must be no more than {longest} characters'
    if not re.fullmatch(pattern, name):
        yield field, "FieldValueInvalid", f'Invalid value: "{name}": {_SAID[rule]}'


def validate_metadata(resource: Resource, found: Object) -> None:
    """422 for a name, label or body that the API server would not store."""
    metadata = found["metadata"]
    problems = list(name_problems(metadata.get("name", ""), resource.names))
    for key, value in (metadata.get("labels") or {}).items():
        problems += _label_problems(key, value)
    for key in metadata.get("annotations") or {}:
        problems += _key_problems(key, "metadata.annotations")
    if sum(len(k) + len(str(v)) for k, v in (metadata.get("annotations") or {}).items()) > 262144:
        problems.append(("metadata.annotations", "FieldValueTooLong", "Too long: may not be more than 262144 bytes"))
    for owner in metadata.get("ownerReferences") or ():
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                field = f"metadata.ownerReferences.{key if key != 'apiVersion' else 'version'}"
                problems.append((field, "FieldValueInvalid", 'Invalid value: "": must not be empty'))
    if resource == PODS:
        problems += _pod_problems(found.get("spec") or {})
    if resource == CLAIMS:
        problems += _claim_problems(found.get("spec") or {})
    if resource.plural in ("roles", "clusterroles"):
        problems += _rule_problems(found.get("rules") or ())
    if resource.plural == "secrets" or resource.plural == "configmaps":
        problems += _data_problems(found)
    if problems:
        raise status.invalid(resource, metadata.get("name", ""), *problems)


def _label_problems(key: str, value: str) -> Iterator[Problem]:
    yield from _key_problems(key, "metadata.labels")
    if len(value) > 63:
        yield "metadata.labels", "FieldValueInvalid", f'Invalid value: "{value}": must be no more than 63 bytes'
    if value and not re.fullmatch(_QUALIFIED, value):
        yield "metadata.labels", "FieldValueInvalid", f'Invalid value: "{value}": {_VALUE_SAID}'


def _key_problems(key: str, field: str) -> Iterator[Problem]:
    prefix, slash, name = key.rpartition("/")
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        yield field, "FieldValueInvalid", f'Invalid value: "{key}": prefix part {_SAID["subdomain"]}'
    if not re.fullmatch(_QUALIFIED, name):
        yield field, "FieldValueInvalid", f'Invalid value: "{key}": {_KEY_SAID}'
    if len(name) > 63:
        yield field, "FieldValueInvalid", f'Invalid value: "{key}": name part must be no more than 63 bytes'


def _pod_problems(spec: Object) -> Iterator[Problem]:
    if not spec.get("containers"):
        yield "spec.containers", "FieldValueRequired", "Required value"
    volumes = {each.get("name") for each in spec.get("volumes") or ()}
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for number, each in enumerate(spec.get(group) or ()):
            field = f"spec.{group}[{number}]"
            yield from name_problems(each.get("name", ""), "label", f"{field}.name")
            if each.get("name") in seen:
                yield f"{field}.name", "FieldValueDuplicate", f'Duplicate value: "{each["name"]}"'
            seen.add(each.get("name", ""))
            if not each.get("image"):
                yield f"{field}.image", "FieldValueRequired", "Required value"
            for place, mount in enumerate(each.get("volumeMounts") or ()):
                if mount["name"] not in volumes:
                    at = f"{field}.volumeMounts[{place}].name"
                    yield at, "FieldValueNotFound", f'Not found: "{mount["name"]}"'
            yield from _resource_problems(each.get("resources") or {}, field)
    for number, each in enumerate(spec.get("volumes") or ()):
        yield from name_problems(each.get("name", ""), "label", f"spec.volumes[{number}].name")


def _resource_problems(resources: Object, field: str) -> Iterator[Problem]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, value in requests.items():
        at = f"{field}.resources.requests"
        if name in limits and amount(value) > amount(limits[name]):
            yield (
                at,
                "FieldValueInvalid",
                f'Invalid value: "{value}": must be less than or equal to {name} limit of {limits[name]}',
            )
        elif "/" in name and name not in limits:
            yield (
                f"{field}.resources.limits",
                "FieldValueRequired",
                "Required value: Limit must be set for non overcommitable resources",
            )


def _rule_problems(rules: Sequence[Object]) -> Iterator[Problem]:
    for number, rule in enumerate(rules):
        needed = ["verbs"] if rule.get("nonResourceURLs") else ["verbs", "apiGroups", "resources"]
        said = {
            "verbs": "verbs must contain at least one value",
            "apiGroups": "resource rules must supply at least one api group",
            "resources": "resource rules must supply at least one resource",
        }
        for key in needed:
            if not rule.get(key):
                yield f"rules[{number}].{key}", "FieldValueRequired", f"Required value: {said[key]}"
                return


def _claim_problems(spec: Object) -> Iterator[Problem]:
    if not spec.get("accessModes"):
        yield "spec.accessModes", "FieldValueRequired", "Required value: at least 1 access mode is required"
    if not spec.get("resources", {}).get("requests", {}).get("storage"):
        yield "spec.resources[storage]", "FieldValueRequired", "Required value"


def _data_problems(found: Object) -> Iterator[Problem]:
    for key in found.get("data") or {}:
        if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key):
            said = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  "
            regex = "or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
            yield f"data[{key}]", "FieldValueInvalid", f'Invalid value: "{key}": {said}{regex}'


def validate_change(resource: Resource, old: Object, found: Object) -> None:
    """422 for changes of what is fixed once created."""
    name = old["metadata"]["name"]
    validate_metadata(resource, found)
    if resource == PODS and _fixed(old["spec"]) != _fixed(found["spec"]):
        why = (
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
        raise status.invalid(resource, name, ("spec", "FieldValueForbidden", why))
    if resource == CLAIMS and old["spec"] != found["spec"]:
        _validate_claim_change(name, old["spec"], found["spec"], old.get("status", {}).get("phase") == "Bound")
    if resource.plural == "secrets" and old.get("type") != found.get("type"):
        why = f'Invalid value: "{found.get("type")}": field is immutable'
        raise status.invalid(resource, name, ("type", "FieldValueInvalid", why))
    if resource.plural in ("secrets", "configmaps") and old.get("immutable") and old.get("data") != found.get("data"):
        raise status.invalid(
            resource, name, ("data", "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
        )
    if resource.plural in ("rolebindings", "clusterrolebindings") and old["roleRef"] != found["roleRef"]:
        said = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
        text = json.dumps({word: found["roleRef"].get(key) for word, key in said.items()}, separators=(",", ":"))
        why = f"Invalid value: {text}: cannot change roleRef"
        raise status.invalid(resource, name, ("roleRef", "FieldValueInvalid", why))


def _fixed(spec: Object) -> Object:
    kept = {
        k: v
        for k, v in spec.items()
        if k not in ("activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeName")
    }
    for group in ("containers", "initContainers"):
        if group in kept:
            kept[group] = [{k: v for k, v in each.items() if k != "image"} for each in kept[group]]
    return kept


def _validate_claim_change(name: str, old: Object, found: Object, bound: bool) -> None:
    def rest(spec: Object) -> Object:
        return {
            k: v for k, v in spec.items() if k != "resources" and not (k == "volumeName" and not old.get("volumeName"))
        }

    if rest(old) != rest(found) or (not bound and old["resources"] != found["resources"]):
        why = (
            "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
            "bound claims"
        )
        raise status.invalid(CLAIMS, name, ("spec", "FieldValueForbidden", why))
    was, now = (each["resources"]["requests"]["storage"] for each in (old, found))
    if amount(now) < amount(was):
        why = "Forbidden: field can not be less than status.capacity"
        raise status.invalid(CLAIMS, name, ("spec.resources.requests.storage", "FieldValueForbidden", why))

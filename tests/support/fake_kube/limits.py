"""LimitRange: defaults for containers, bounds for containers, pods and claims (plugin LimitRanger)."""

from fractions import Fraction

from . import status
from .quantity import amount, written
from .quota import usage
from .resources import CLAIMS, LIMIT_RANGES, PODS, Object, Resource
from .store import Store


def _items(store: Store, namespace: str, kind: str) -> list[Object]:
    ranges = store.all(LIMIT_RANGES, namespace)
    return [item for each in ranges for item in each["spec"].get("limits") or () if item.get("type") == kind]


def fill_in(store: Store, pod: Object) -> None:
    """Container defaults, in place."""
    spec = pod.get("spec") or {}
    filled: list[str] = []
    for item in _items(store, pod["metadata"]["namespace"], "Container"):
        for each in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            resources = each.setdefault("resources", {})
            before = {side: set(resources.get(side) or {}) for side in ("requests", "limits")}
            limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
            for name, value in (item.get("defaultRequest") or item.get("default") or {}).items():
                if name not in requests:
                    requests[name] = limits.get(name, value) if name in limits else value
            for name, value in (item.get("default") or {}).items():
                limits.setdefault(name, value)
            if limits:
                resources["limits"] = limits
            if requests:
                resources["requests"] = requests
            for side, had in before.items():
                if more := sorted(set(resources.get(side) or {}) - had):
                    filled.append(f"{', '.join(more)} {side[:-1]} for container {each['name']}")
    if filled:
        said = f"LimitRanger plugin set: {'; '.join(filled)}"
        pod["metadata"]["annotations"] = {
            **(pod["metadata"].get("annotations") or {}),
            "kubernetes.io/limit-ranger": said,
        }


def check(store: Store, pod: Object) -> None:
    """403 where a container or the pod is outside the bounds."""
    namespace, name, spec = pod["metadata"]["namespace"], pod["metadata"]["name"], pod["spec"]
    problems: list[str] = []
    for item in _items(store, namespace, "Container"):
        for each in [*spec.get("containers", ()), *(spec.get("initContainers") or ())]:
            problems += _outside(item, "Container", each.get("resources") or {})
    for item in _items(store, namespace, "Pod"):
        total = usage(PODS, pod)
        asked = {
            side: {key.removeprefix(f"{side}."): value for key, value in total.items() if key.startswith(f"{side}.")}
            for side in ("requests", "limits")
        }
        problems += _outside(item, "Pod", asked)
    _refuse(PODS, name, problems)


def check_claim(store: Store, claim: Object) -> None:
    """403 where a claim is too small or too large."""
    problems: list[str] = []
    for item in _items(store, claim["metadata"]["namespace"], "PersistentVolumeClaim"):
        size = amount(claim["spec"]["resources"]["requests"]["storage"])
        for key, text, beyond in (("max", "maximum", 1), ("min", "minimum", -1)):
            bound = (item.get(key) or {}).get("storage")
            if bound and (size - amount(bound)) * beyond > 0:
                asked = written(size, "storage")
                problems.append(f"{text} storage usage per PersistentVolumeClaim is {bound}, but request is {asked}")
    _refuse(CLAIMS, claim["metadata"]["name"], problems)


def _refuse(resource: Resource, name: str, problems: list[str]) -> None:
    if problems:
        text = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
        raise status.forbidden(resource, name, text)


def _outside(item: Object, kind: str, resources: Object) -> list[str]:
    found: list[str] = []
    for key, side, word, text in (("min", "requests", "request", "minimum"), ("max", "limits", "limit", "maximum")):
        for name, bound in sorted((item.get(key) or {}).items()):
            value = (resources.get(side) or {}).get(name)
            if value is None:
                found.append(f"{text} {name} usage per {kind} is {bound}.  No {word} is specified")
                continue
            number = value if isinstance(value, Fraction) else amount(value)
            if number < amount(bound) if key == "min" else number > amount(bound):
                found.append(f"{text} {name} usage per {kind} is {bound}, but {word} is {written(number, name)}")
    return found

"""ResourceQuota: what objects use, and the refusal of those that would use too much (plugin ResourceQuota)."""

from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from typing import Any

from . import status
from .quantity import amount, written
from .resources import CLAIMS, PODS, QUOTAS, Object, Resource
from .store import Store

UNIT = 10**9
"""The smallest part that a quantity has."""
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def used(store: Store, namespace: str, hard: Iterable[str]) -> dict[str, str]:
    """What the namespace uses of each of those resources."""
    total = dict.fromkeys(hard, 0)
    for resource in store.resources:
        if concerns(resource, total):
            for each in store.all(resource, namespace):
                for name, value in store.worked_out(each, "usage", partial(_billionths, resource)).items():
                    if name in total:
                        total[name] += value
    return {name: written(Fraction(value, UNIT), name) for name, value in total.items()}


def _billionths(resource: Resource, found: Object) -> dict[str, int]:
    return {name: int(value * UNIT) for name, value in usage(resource, found).items()}


def concerns(resource: Resource, hard: Iterable[str]) -> bool:
    """Whether objects of that kind count towards any of those resources."""
    return resource.namespaced and any(_concerns(name, resource) for name in hard)


def _concerns(name: str, resource: Resource) -> bool:
    if name.startswith("count/"):
        return name == f"count/{resource.qualified}"
    if resource == PODS:
        return name == "pods" or name.split(".")[0] in ("requests", "limits", *_COMPUTE)
    if resource == CLAIMS:
        return name in ("persistentvolumeclaims", "requests.storage") or ".storageclass.storage.k8s.io/" in name
    return name == resource.plural or name.startswith(f"{resource.plural}.")


def usage(resource: Resource, found: Object) -> dict[str, Fraction]:
    """What one object counts for, under every name that a quota may use."""
    result = {f"count/{resource.qualified}": Fraction(1)}
    if resource == PODS:
        if found.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            result |= {"pods": Fraction(1), **_pod(found["spec"])}
    elif resource == CLAIMS:
        spec = found["spec"]
        size = amount(spec.get("resources", {}).get("requests", {}).get("storage", 0))
        result |= {"persistentvolumeclaims": Fraction(1), "requests.storage": size}
        if name := spec.get("storageClassName"):
            prefix = f"{name}.storageclass.storage.k8s.io/"
            result |= {prefix + "requests.storage": size, prefix + "persistentvolumeclaims": Fraction(1)}
    elif resource.plural == "services":
        result["services"] = Fraction(1)
        kind = found["spec"].get("type", "ClusterIP")
        if kind in ("NodePort", "LoadBalancer"):
            result |= {"services.nodeports": Fraction(len(found["spec"].get("ports", [])))}
        if kind == "LoadBalancer":
            result["services.loadbalancers"] = Fraction(1)
    else:
        result[resource.plural] = Fraction(1)
    return result


def _pod(spec: dict[str, Any]) -> dict[str, Fraction]:
    result: dict[str, Fraction] = {}
    for side in ("requests", "limits"):
        for name, value in _effective(spec, side).items():
            result[f"{side}.{name}"] = value
            if side == "requests" and name in _COMPUTE:
                result[name] = value
    return result


def _effective(spec: dict[str, Any], side: str) -> dict[str, Fraction]:
    """Containers and sidecars together, or the largest step of initialization where that is more."""

    def asked(container: Object) -> dict[str, Fraction]:
        return {name: amount(value) for name, value in (container.get("resources", {}).get(side) or {}).items()}

    sidecars: dict[str, Fraction] = {}
    largest: dict[str, Fraction] = {}
    for each in spec.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            sidecars = _plus(sidecars, asked(each))
        for name, value in _plus(sidecars, {} if each.get("restartPolicy") == "Always" else asked(each)).items():
            largest[name] = max(largest.get(name, Fraction(0)), value)
    total = sidecars
    for each in spec.get("containers") or ():
        total = _plus(total, asked(each))
    total = {name: max(total.get(name, Fraction(0)), largest.get(name, Fraction(0))) for name in {*total, *largest}}
    return _plus(total, {name: amount(value) for name, value in (spec.get("overhead") or {}).items()})


def _plus(one: dict[str, Fraction], other: dict[str, Fraction]) -> dict[str, Fraction]:
    return {name: one.get(name, Fraction(0)) + other.get(name, Fraction(0)) for name in {*one, *other}}


def check(store: Store, resource: Resource, found: Object, old: Object | None = None) -> None:
    """403 `exceeded quota` or `failed quota: … must specify …`, over all quotas of the namespace."""
    namespace, name = found["metadata"].get("namespace", ""), found["metadata"]["name"]
    before = usage(resource, old) if old else {}
    delta = {key: value - before.get(key, Fraction(0)) for key, value in usage(resource, found).items()}
    for each in store.all(QUOTAS, namespace):
        hard = each["spec"].get("hard", {})
        if not concerns(resource, hard):
            continue
        quota_name = each["metadata"]["name"]
        if resource == PODS and old is None:
            _check_specified(resource, name, found["spec"], quota_name, hard)
        now = {key: amount(value) for key, value in used(store, namespace, hard).items()}
        over = sorted(key for key in hard if delta.get(key, 0) > 0 and now[key] + delta[key] > amount(hard[key]))
        if over:
            text = [
                ",".join(f"{key}={written(values[key], key)}" for key in over)
                for values in (delta, now, {key: amount(value) for key, value in hard.items()})
            ]
            why = f"exceeded quota: {quota_name}, requested: {text[0]}, used: {text[1]}, limited: {text[2]}"
            raise status.forbidden(resource, name, why)


def _check_specified(resource: Resource, name: str, spec: Object, quota_name: str, hard: dict[str, str]) -> None:
    missing: dict[str, list[str]] = {}
    for key in sorted(hard):
        side, _, what = key.partition(".") if "." in key else ("requests", "", key)
        if what not in _COMPUTE or side not in ("requests", "limits"):
            continue
        without = [
            each["name"]
            for each in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
            if what not in (each.get("resources", {}).get(side) or {})
        ]
        if without:
            missing[key] = without
    if missing:
        text = "; ".join(f"{key} for: {','.join(sorted(names))}" for key, names in missing.items())
        raise status.forbidden(resource, name, f"failed quota: {quota_name}: must specify {text}")

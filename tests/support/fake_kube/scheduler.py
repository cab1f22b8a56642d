"""Pod and nodes → the node it goes to, or why there is none (k8s.io/kubernetes/pkg/scheduler, in miniature). Pure."""

from collections import Counter
from collections.abc import Callable, Sequence

from .quantity import amount
from .quota import UNIT, usage
from .resources import PODS, Object

Requests = Callable[[Object], dict[str, int]]


def choose(pod: Object, nodes: Sequence[Object], pods: Sequence[Object], asked: Requests) -> tuple[str, str]:
    """(node, "") or ("", message of the FailedScheduling event). `asked`: `requests`, or the same from memory."""
    reasons: Counter[str] = Counter()
    fitting: list[tuple[int, int, str]] = []
    for node in nodes:
        here = [each for each in pods if each["spec"].get("nodeName") == node["metadata"]["name"] and not _over(each)]
        if why := _why_not(pod, node, here, asked):
            reasons.update(why)
        else:
            fitting.append((-_liked(pod, node), len(here), node["metadata"]["name"]))
    if fitting:
        return min(fitting)[2], ""
    listed = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
    said = "no nodes available to schedule pods"
    if nodes:
        helpless = f"{len(nodes)} Preemption is not helpful for scheduling"
        if any("Insufficient" in why for why in reasons):
            helpless = f"{len(nodes)} No preemption victims found for incoming pod"
        said = f"0/{len(nodes)} nodes are available: {listed}. no new claims to deallocate, "
        said += f"preemption: 0/{len(nodes)} nodes are available: {helpless}."
    return "", said


def _over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _why_not(pod: Object, node: Object, here: Sequence[Object], asked: Requests) -> list[str]:
    spec, labels = pod["spec"], node["metadata"].get("labels") or {}
    if node["spec"].get("unschedulable"):
        return ["node(s) were unschedulable"]
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(pod, taint):
            shown = f"{taint['key']}: {taint.get('value', '')}" if taint.get("value") else f"{taint['key']}: "
            return [f"node(s) had untolerated taint {{{shown}}}"]
    selector = spec.get("nodeSelector") or {}
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms")
    wrong = any(labels.get(key) != value for key, value in selector.items())
    if wrong or (required is not None and not any(_term(each, node) for each in required)):
        return ["node(s) didn't match Pod's node affinity/selector"]
    free = {name: int(amount(value) * UNIT) for name, value in (node["status"].get("allocatable") or {}).items()}
    for each in here:
        for name, value in asked(each).items():
            free[name] = free.get(name, 0) - value
    lacking = [f"Insufficient {name}" for name, value in asked(pod).items() if value > free.get(name, 0)]
    return lacking or (
        ["Too many pods"] if len(here) >= amount((node["status"].get("allocatable") or {}).get("pods", 110)) else []
    )


def requests(pod: Object) -> dict[str, int]:
    """What the pod's containers ask for, in billionths."""
    return {
        key.removeprefix("requests."): int(value * UNIT)
        for key, value in usage(PODS, pod).items()
        if key.startswith("requests.")
    }


def tolerates(pod: Object, taint: Object) -> Object | None:
    """The toleration that covers the taint."""
    for each in pod["spec"].get("tolerations") or ():
        same_effect = not each.get("effect") or each["effect"] == taint["effect"]
        same_key = not each.get("key") or each["key"] == taint["key"]
        same_value = each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", "")
        if same_effect and same_key and same_value:
            found: Object = each
            return found
    return None


def _liked(pod: Object, node: Object) -> int:
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "preferredDuringSchedulingIgnoredDuringExecution"
    )
    return sum(each["weight"] for each in affinity or () if _term(each["preference"], node))


def _term(term: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    return all(_matches(each, labels) for each in term.get("matchExpressions") or ()) and all(
        _matches(each, fields) for each in term.get("matchFields") or ()
    )


def _matches(expression: Object, values: dict[str, str]) -> bool:
    found, wanted = values.get(expression["key"]), expression.get("values") or []
    return {
        "In": found in wanted,
        "NotIn": found not in wanted,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }[expression["operator"]]

"""What is not plain reading and writing: eviction, binding, access reviews."""

from . import status
from .rbac import Attributes, Authorizer, Subject
from .resources import BUDGETS, PODS, Object, copied
from .selectors import by_labels
from .writing import Deleting, Writer, stamp


def success(**details: str) -> Object:
    """A Status that says that it is done."""
    found: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return {**found, "details": details} if details else found


def evict(writer: Writer, namespace: str, name: str, body: Object) -> Object:
    """An eviction: a delete that budgets may refuse (429)."""
    with writer.store.lock:
        pod = writer.store.get(PODS, namespace, name)
        options = deleting(body.get("deleteOptions") or {})
        running = pod.get("status", {}).get("phase") not in ("Succeeded", "Failed", "Pending")
        if running and "deletionTimestamp" not in pod["metadata"]:
            for budget in writer.store.all(BUDGETS, namespace):
                _check_budget(writer, pod, budget)
        writer.delete(PODS, namespace, name, options)
    return {**success(), "code": 201}


def _check_budget(writer: Writer, pod: Object, budget: Object) -> None:
    spec = budget.get("spec") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    matches = by_labels(",".join(f"{key}={value}" for key, value in wanted.items()))
    if not matches(pod):
        return
    pods = [each for each in writer.store.all(PODS, pod["metadata"]["namespace"]) if matches(each)]
    healthy = sum(_ready(each) and "deletionTimestamp" not in each["metadata"] for each in pods)
    least = (
        len(pods) - _share(spec["maxUnavailable"], len(pods))
        if "maxUnavailable" in spec
        else _share(spec["minAvailable"], len(pods))
    )
    if healthy - 1 < least:
        said = (
            f"The disruption budget {budget['metadata']['name']} needs {least} healthy pods and has {healthy} currently"
        )
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        raise status.too_many(PODS, pod["metadata"]["name"], message, [{"reason": "DisruptionBudget", "message": said}])


def _share(value: int | str, total: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return -(-total * int(value[:-1]) // 100)
    return int(value)


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def bind(writer: Writer, namespace: str, name: str, body: Object) -> Object:
    """What the scheduler does: fix the node. 409 for a pod that has one."""
    with writer.store.lock:
        pod = writer.store.get(PODS, namespace, name)
        if (body.get("metadata") or {}).get("name", name) != name:
            raise status.bad_request("name in URL does not match name in Binding object")
        node = (body.get("target") or {}).get("name", "")
        if pod["spec"].get("nodeName"):
            raise status.conflict(PODS, name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
        if "deletionTimestamp" in pod["metadata"]:
            raise status.conflict(PODS, name, f"pod {name} is being deleted, cannot be assigned to a host")
        found = {**copied(pod), "spec": {**pod["spec"], "nodeName": node}}
        found["status"]["conditions"] = with_condition(found["status"].get("conditions"), "PodScheduled", True)
        writer.store.put(PODS, found)
    return {**success(), "code": 201}


def with_condition(
    conditions: list[Object] | None, kind: str, holds: bool | None, reason: str = "", message: str = ""
) -> list[Object]:
    """The conditions with that one set; None: Unknown. The time changes only with the status."""
    said = {True: "True", False: "False", None: "Unknown"}[holds]
    before = next((each for each in conditions or () if each["type"] == kind), None)
    since = before["lastTransitionTime"] if before and before["status"] == said else stamp()
    one: Object = {"type": kind, "status": said, "lastProbeTime": None, "lastTransitionTime": since}
    one |= {"reason": reason} if reason else {}
    one |= {"message": message} if message else {}
    return [*(each for each in conditions or () if each["type"] != kind), one]


def deleting(body: Object, query: dict[str, str] | None = None) -> Deleting:
    """DeleteOptions from body and query."""
    query = query or {}
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    return Deleting(
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        grace_s=None if grace is None else int(grace),
        propagation=body.get("propagationPolicy") or query.get("propagationPolicy") or "Background",
        dry_run="All" in (body.get("dryRun") or [query.get("dryRun")]),
    )


def review_access(authorizer: Authorizer, who: Subject, kind: str, body: Object) -> Object:
    """SelfSubjectAccessReview and SubjectAccessReview with their status."""
    spec = body.get("spec") or {}
    if kind == "SubjectAccessReview":
        who = Subject(spec.get("user", ""), tuple(spec.get("groups") or ()))
    wanted = spec.get("resourceAttributes") or {}
    plain = spec.get("nonResourceAttributes") or {}
    asked = Attributes(
        wanted.get("verb") or plain.get("verb", ""),
        wanted.get("group", ""),
        wanted.get("resource", ""),
        wanted.get("subresource", ""),
        wanted.get("namespace", ""),
        wanted.get("name", ""),
        plain.get("path", ""),
    )
    try:
        authorizer.check(who, asked)
    except status.Refusal:
        allowed = False
    else:
        allowed = True
    return {
        "kind": kind,
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed, **({"reason": "RBAC: allowed"} if allowed else {})},
    }

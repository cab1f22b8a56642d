"""Fields that the API server fills in (k8s.io/kubernetes/pkg/apis/*/v1/defaults.go), as far as they are read here."""

import base64
import secrets
from typing import Any

from .resources import Object, Resource

_POD: dict[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
    "serviceAccountName": "default",
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
}
_CONTAINER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}
_TOLERATED_S = 300


def set_defaults(resource: Resource, found: Object) -> None:
    """Fill in, in place. Idempotent."""
    filler = {
        "pods": _pod,
        "services": _service,
        "persistentvolumeclaims": _claim,
        "secrets": _secret,
        "namespaces": _namespace,
        "networkpolicies": _network_policy,
        "rolebindings": _binding,
        "clusterrolebindings": _binding,
    }.get(resource.plural)
    if filler:
        filler(found)


def _pod(found: Object) -> None:
    spec = found.setdefault("spec", {})
    if spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for key, value in _POD.items():
        if spec.get(key) is None:
            spec[key] = dict(value) if isinstance(value, dict) else value
    spec["serviceAccount"] = spec["serviceAccountName"]
    for each in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        _container(each)
    for volume in spec.get("volumes") or ():
        for kind in ("secret", "configMap", "projected", "downwardAPI"):
            if isinstance(volume.get(kind), dict):
                volume[kind].setdefault("defaultMode", 0o644)
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}
    tolerations = spec.get("tolerations")
    spec["tolerations"] = list(tolerations or [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            each.get("key") in (key, None) and each.get("effect") in ("NoExecute", None) for each in spec["tolerations"]
        ):
            one = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S}
            spec["tolerations"].append(one)


def _container(each: Object) -> None:
    for key, value in _CONTAINER.items():
        if each.get(key) is None:
            each[key] = dict(value) if isinstance(value, dict) else value
    image = str(each.get("image", ""))
    if not each.get("imagePullPolicy"):
        tag = image.rpartition("/")[2].rpartition(":")
        latest = "@" not in image and (not tag[1] or tag[2] == "latest")
        each["imagePullPolicy"] = "Always" if latest else "IfNotPresent"
    for port in each.get("ports") or ():
        port.setdefault("protocol", "TCP")
    resources = each["resources"]
    for name, value in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, value)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in each:
            for key, value in {
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            }.items():
                each[probe].setdefault(key, value)
            if "httpGet" in each[probe]:
                each[probe]["httpGet"].setdefault("scheme", "HTTP")


def _service(found: Object) -> None:
    spec = found.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        if not spec.get("clusterIP"):
            spec["clusterIP"] = f"10.96.{secrets.randbelow(255)}.{1 + secrets.randbelow(254)}"
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _secret(found: Object) -> None:
    found.setdefault("type", "Opaque")
    for key, text in (found.pop("stringData", None) or {}).items():
        found["data"] = {**(found.get("data") or {}), key: base64.b64encode(text.encode()).decode()}


def _claim(found: Object) -> None:
    found.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _namespace(found: Object) -> None:
    labels = found["metadata"].get("labels") or {}
    found["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": found["metadata"].get("name", "")}


def _network_policy(found: Object) -> None:
    spec = found.setdefault("spec", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress"] + (["Egress"] if "egress" in spec else [])
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _binding(found: Object) -> None:
    found.get("roleRef", {}).setdefault("apiGroup", "rbac.authorization.k8s.io")
    for subject in found.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def quality_of_service(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    containers = [*spec.get("containers", ()), *(spec.get("initContainers") or ())]
    asked = [each.get("resources") or {} for each in containers]
    if not any(each.get("limits") or each.get("requests") for each in asked):
        return "BestEffort"
    exact = all(
        {"cpu", "memory"} <= set(each.get("limits") or {})
        and all((each.get("requests") or {}).get(name) == each["limits"][name] for name in ("cpu", "memory"))
        for each in asked
    )
    return "Guaranteed" if exact else "Burstable"

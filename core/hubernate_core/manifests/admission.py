"""What the API server refuses in tenants' namespaces, whoever asks: ValidatingAdmissionPolicy and its binding.

Pod Security keeps a pod in its container; this keeps the hub, which may create pods here, to this platform's pods: its
images, its service account, its tenant's labels, no node chosen past the scheduler, no token. Kubernetes 1.30 or newer.
"""

from dataclasses import dataclass

from ..errors import InvalidInput
from ..image_ref import parse_image
from ..names import KUBE_INSTANCE, KUBE_TENANT, check_instance
from .access import NOTEBOOK_ACCOUNT
from .objects import JsonObject, make_object

_API = "admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class AdmissionSpec:
    """Where images may come from.

    Args:
        registry: host and port of the registry that holds tenants' saved images, each tenant's under ``t-ID/``.
        repositories: registry/path, without a slash at the end, that every tenant may run: profiles, the gate.
    """

    instance: str
    registry: str
    repositories: tuple[str, ...]


def make_admission(spec: AdmissionSpec) -> tuple[JsonObject, JsonObject]:
    """The policy and its binding to this instance's tenant namespaces. Both are the cluster's, applied once.

    Raises:
        InvalidInput: a malformed instance, registry or repository.
    """
    name = f"{check_instance(spec.instance)}-tenants"
    labels = {KUBE_INSTANCE: spec.instance}
    policy = make_object(_API, "ValidatingAdmissionPolicy", name, labels=labels)
    binding = make_object(_API, "ValidatingAdmissionPolicyBinding", name, labels=labels)
    ours = {"matchLabels": labels, "matchExpressions": [{"key": KUBE_TENANT, "operator": "Exists"}]}
    return (
        policy | {"spec": _policy(spec)},
        binding
        | {
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": ours},
            }
        },
    )


def _policy(spec: AdmissionSpec) -> JsonObject:
    pods = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["pods", "pods/ephemeralcontainers"],
    }
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [pods]},
        "variables": [
            {"name": "fresh", "expression": "request.operation == 'CREATE'"},
            {"name": "images", "expression": _images("object")},
            # A change that leaves the images alone passes, so that a pod can go although the rules have changed since.
            {
                "name": "sameImages",
                "expression": f"!variables.fresh && variables.images == ({_images('oldObject')})",
            },
        ],
        "validations": _validations(spec),
    }


def _validations(spec: AdmissionSpec) -> list[JsonObject]:
    labels = f"['{KUBE_INSTANCE}', '{KUBE_TENANT}']"
    return [
        _rule(
            f"variables.sameImages || variables.images.all(image, {_allowed(spec)})",
            "only images of this platform and of this tenant, by digest, may run here",
        ),
        _rule("!variables.fresh || !has(object.spec.nodeName)", "a pod must not choose its node past the scheduler"),
        _rule(
            f"!variables.fresh || (has(object.spec.serviceAccountName) && object.spec.serviceAccountName =="
            f" '{NOTEBOOK_ACCOUNT}')",
            f"a pod here runs as service account '{NOTEBOOK_ACCOUNT}'",
        ),
        _rule(
            "!variables.fresh || ((has(object.spec.automountServiceAccountToken) &&"
            " !object.spec.automountServiceAccountToken) && (!has(object.spec.volumes) || object.spec.volumes.all(v,"
            " !has(v.projected) || !has(v.projected.sources) || v.projected.sources.all(s,"
            " !has(s.serviceAccountToken)))))",
            "a pod here gets no token for the API server",
        ),
        _rule(
            f"{labels}.all(key, has(object.metadata.labels) && key in object.metadata.labels &&"
            " object.metadata.labels[key] == namespaceObject.metadata.labels[key])",
            "a pod here carries the instance and tenant of its namespace",
        ),
    ]


def _rule(expression: str, message: str) -> JsonObject:
    return {"expression": expression, "message": message, "reason": "Forbidden"}


def _images(source: str) -> str:
    lists = (
        f"{source}.spec.containers.map(c, c.image)",
        f"(has({source}.spec.initContainers) ? {source}.spec.initContainers.map(c, c.image) : [])",
        f"(has({source}.spec.ephemeralContainers) ? {source}.spec.ephemeralContainers.map(c, c.image) : [])",
    )
    return " + ".join(lists)


def _allowed(spec: AdmissionSpec) -> str:
    starts = [f"'{_repository(spec.registry + '/t')}-' + namespaceObject.metadata.labels['{KUBE_TENANT}'] + '/'"]
    # Of the repository itself or of one below it: `profiles` must not let `profiles-x` in.
    starts += [f"'{_repository(each)}{end}'" for each in spec.repositories for end in ("/", "@", ":")]
    return f"image.contains('@sha256:') && ({' || '.join(f'image.startsWith({start})' for start in starts)})"


def _repository(text: str) -> str:
    """`text` if it is registry/path and nothing more; its grammar has no quote that could end a CEL string."""
    found = parse_image(text, "kubernetes.image_repositories")
    if found.tag or found.digest:
        raise InvalidInput("kubernetes.image_repositories", f"{text!r}: write registry/path, without tag and digest")
    return text

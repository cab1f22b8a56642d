"""What Pod Security `restricted` leaves open and this platform closes, checked on a rendered pod before it is sent."""

from collections.abc import Iterator

from ..errors import InvalidInput
from ..image_ref import parse_image
from ..names import KUBE_INSTANCE, KUBE_OWNER
from .access import CA_CONFIG_MAP, NOTEBOOK_ACCOUNT
from .restricted import Json, containers

_LIMITED = ("cpu", "memory", "ephemeral-storage")
_NEVER = (
    "nodeName",
    "hostAliases",
    "hostname",
    "subdomain",
    "dnsConfig",
    "ephemeralContainers",
    "shareProcessNamespace",
)
"""Choosing a node past the scheduler, names for addresses, doors in a container's walls."""
_EXACTLY = {
    "serviceAccountName": NOTEBOOK_ACCOUNT,
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "restartPolicy": "Never",  # a restart would lose what is not saved
}


def excesses(pod: Json) -> list[str]:
    """What of `pod` goes beyond what a notebook is given: a line each. Empty: nothing does.

    Args:
        pod: a whole Pod object, as JSON has it.
    """
    spec = pod.get("spec") or {}
    found = [*_of_the_pod(spec), *_of_volumes(spec, pod.get("metadata") or {})]
    for path, container in containers(spec):
        found += _of_a_container(path, container)
    return found


def _of_the_pod(spec: Json) -> Iterator[str]:
    for name in _NEVER:
        if spec.get(name):
            yield f"spec.{name}: must not be set"
    for name, value in _EXACTLY.items():
        if spec.get(name) != value:
            yield f"spec.{name}: {spec.get(name)!r} (must be {value!r})"
    if spec.get("serviceAccount", NOTEBOOK_ACCOUNT) != NOTEBOOK_ACCOUNT:
        yield "spec.serviceAccount: must not be set, it is the former name of serviceAccountName"
    if str(spec.get("priorityClassName", "")).startswith("system-"):
        yield f"spec.priorityClassName: {spec['priorityClassName']!r} (is for the cluster's own pods)"
    if not all(toleration.get("key") for toleration in spec.get("tolerations") or ()):
        yield "spec.tolerations: one without a key tolerates everything"


def _of_volumes(spec: Json, metadata: Json) -> Iterator[str]:
    labels = metadata.get("labels") or {}
    home = f"{labels.get(KUBE_INSTANCE)}-home-{labels.get(KUBE_OWNER)}"
    for number, volume in enumerate(spec.get("volumes") or ()):
        for kind in set(volume) - {"name"}:
            source, where = volume[kind] or {}, f"spec.volumes[{number}].{kind}"
            if kind == "secret" and source.get("secretName") != metadata.get("name"):
                yield f"{where}: {source.get('secretName')!r} (a pod mounts the Secret of its own name only)"
            elif kind == "persistentVolumeClaim" and source.get("claimName") != home:
                yield f"{where}: {source.get('claimName')!r} (the owner's home is {home!r})"
            elif kind == "configMap" and source.get("name") != CA_CONFIG_MAP:
                yield f"{where}: {source.get('name')!r} (a pod mounts {CA_CONFIG_MAP!r} only)"
            elif kind not in ("secret", "persistentVolumeClaim", "configMap", "emptyDir"):
                yield f"{where}: a notebook has no such volume"


def _of_a_container(path: str, container: Json) -> Iterator[str]:
    try:
        parse_image(str(container.get("image", "")), f"{path}.image", need_digest=True)
    except InvalidInput as problem:
        yield problem.message
    limits = (container.get("resources") or {}).get("limits") or {}
    for resource in _LIMITED:
        if resource not in limits:
            yield f"{path}.resources.limits: {resource} is missing"
    for source in container.get("envFrom") or ():
        yield f"{path}.envFrom: {sorted(source)} (environment is written out)"
    for variable in container.get("env") or ():
        if "valueFrom" in variable:
            yield f"{path}.env[{variable.get('name')}]: valueFrom (environment is written out)"

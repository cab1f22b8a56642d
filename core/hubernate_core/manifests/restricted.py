"""Pod Security `restricted`, checked by ourselves on a rendered pod, right before it is sent.

The namespace enforces it too. This is for the cluster whose admission is off, and for an answer that names the field
before anything was made. Where the standard grants exceptions (Windows, ``hostUsers: false``), this grants none.

Source: k8s.io/pod-security-admission/policy/check_*.go, version 1.36.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")

Json = Mapping[str, Any]


def violations(pod: Json) -> list[str]:
    """What of `pod` the standard forbids: a line each, ``field: value (what it must be)``. Empty: none.

    Args:
        pod: a whole Pod object, as JSON has it.
    """
    spec = _part(pod, "spec")
    return [
        *_of_the_pod(pod, spec),
        *(line for path, each in containers(spec) for line in _of_a_container(path, each, spec)),
    ]


def containers(spec: Json) -> Iterator[tuple[str, Json]]:
    """Every container of a pod's spec with its path: init, ordinary and ephemeral ones."""
    for kind in _CONTAINER_LISTS:
        for number, each in enumerate(spec.get(kind) or ()):
            yield f"spec.{kind}[{number}]", each


def _of_the_pod(pod: Json, spec: Json) -> Iterator[str]:
    for name in _HOST_FIELDS:
        if spec.get(name) not in (None, False):
            yield _line(f"spec.{name}", spec[name], "must not be set")
    for number, volume in enumerate(spec.get("volumes") or ()):
        kinds = set(volume) - {"name"}
        if not kinds or kinds - _VOLUMES:
            yield _line(f"spec.volumes[{number}]", sorted(kinds), "no such type of volume may be used")
    security = _part(spec, "securityContext")
    for sysctl in security.get("sysctls") or ():
        if sysctl.get("name") not in _SYSCTLS:
            yield _line("spec.securityContext.sysctls", sysctl.get("name"), "must not be set")
    for key, value in (_part(pod, "metadata").get("annotations") or {}).items():
        allowed = value in ("", "runtime/default") or str(value).startswith("localhost/")
        if key.startswith(_APPARMOR_ANNOTATION) and not allowed:
            yield _line(f"metadata.annotations[{key}]", value, "must be runtime/default or localhost/…")
    yield from _of_any_context("spec.securityContext", security)


def _of_a_container(path: str, container: Json, spec: Json) -> Iterator[str]:
    security, pods = _part(container, "securityContext"), _part(spec, "securityContext")
    where = f"{path}.securityContext"
    yield from _of_any_context(where, security)
    if security.get("privileged") not in (None, False):
        yield _line(f"{where}.privileged", security["privileged"], "must not be set")
    if security.get("allowPrivilegeEscalation") is not False:
        yield _line(f"{where}.allowPrivilegeEscalation", security.get("allowPrivilegeEscalation"), "must be false")
    if security.get("procMount") not in (None, "Default"):
        yield _line(f"{where}.procMount", security["procMount"], "must be Default")
    capabilities = _part(security, "capabilities")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield _line(f"{where}.capabilities.drop", capabilities.get("drop"), "must hold ALL")
    if set(capabilities.get("add") or ()) - _CAPABILITIES:
        yield _line(f"{where}.capabilities.add", capabilities["add"], "may hold NET_BIND_SERVICE only")
    if security.get("runAsNonRoot") is None and pods.get("runAsNonRoot") is not True:
        yield _line(f"{where}.runAsNonRoot", None, "must be true here or at the pod")
    if "seccompProfile" not in security and "seccompProfile" not in pods:
        yield _line(f"{where}.seccompProfile", None, "must be set here or at the pod")
    for port in container.get("ports") or ():
        if port.get("hostPort") not in (None, 0):
            yield _line(f"{path}.ports", port["hostPort"], "hostPort must not be set")
    yield from _hosts(path, container)


def _of_any_context(where: str, security: Json) -> Iterator[str]:
    """What holds for the security context of a pod and of a container alike."""
    if security.get("runAsNonRoot") not in (None, True):
        yield _line(f"{where}.runAsNonRoot", security["runAsNonRoot"], "must be true")
    user = security.get("runAsUser")
    if user is not None and (isinstance(user, bool) or not isinstance(user, int) or user <= 0):
        yield _line(f"{where}.runAsUser", user, "must be a number above 0")
    if "seccompProfile" in security and _part(security, "seccompProfile").get("type") not in _SECCOMP:
        yield _line(f"{where}.seccompProfile", security["seccompProfile"], "must be RuntimeDefault or Localhost")
    if "appArmorProfile" in security and _part(security, "appArmorProfile").get("type") not in _APPARMOR:
        yield _line(f"{where}.appArmorProfile", security["appArmorProfile"], "must be RuntimeDefault or Localhost")
    selinux = _part(security, "seLinuxOptions")
    if (selinux.get("type") or "") not in _SELINUX_TYPES:
        yield _line(f"{where}.seLinuxOptions.type", selinux["type"], "must be a container's type")
    for name in ("user", "role"):
        if selinux.get(name):
            yield _line(f"{where}.seLinuxOptions.{name}", selinux[name], "must not be set")
    if _part(security, "windowsOptions").get("hostProcess") not in (None, False):
        yield _line(f"{where}.windowsOptions.hostProcess", True, "must not be set")


def _hosts(path: str, container: Json) -> Iterator[str]:
    hooks = _part(container, "lifecycle")
    places = [(f"{path}.{name}", _part(container, name)) for name in _PROBES]
    places += [(f"{path}.lifecycle.{name}", _part(hooks, name)) for name in _HOOKS]
    for where, action in places:
        for kind in ("httpGet", "tcpSocket"):
            if host := _part(action, kind).get("host"):
                yield _line(f"{where}.{kind}.host", host, "must not be set: the kubelet would call it")


def _part(whole: Json, name: str) -> Json:
    """A part that may be missing. Something that is no object counts as one that holds nothing right."""
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _line(path: str, value: object, rule: str) -> str:
    return f"{path}: {value!r} ({rule})"

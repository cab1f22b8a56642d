"""Pod Security admission, level `restricted` (k8s.io/pod-security-admission/policy), by the namespace's labels.

Written apart from the product's own check, which it is there to catch.
"""

from collections.abc import Callable, Iterator

from . import status
from .resources import NAMESPACES, PODS, Object
from .store import Store

ENFORCE = "pod-security.kubernetes.io/enforce"
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "image",
}
_SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}  # fmt: skip


def check(store: Store, pod: Object) -> None:
    """403 `violates PodSecurity "level:version": …`."""
    space = store.get(NAMESPACES, "", pod["metadata"]["namespace"])
    labels = space["metadata"].get("labels") or {}
    level = labels.get(ENFORCE, "privileged")
    if level == "privileged":
        return
    found = [*violations(pod["spec"], level)]
    if found:
        version = labels.get(f"{ENFORCE}-version", "latest")
        why = f'violates PodSecurity "{level}:{version}": {", ".join(found)}'
        raise status.forbidden(PODS, pod["metadata"]["name"], why)


def violations(spec: Object, level: str) -> Iterator[str]:
    """What breaks that level, in the words and the order of the admission plugin.

    Checks of the baseline that `restricted` does not replace come first.
    """
    both = [_host_namespaces, _host_ports, _privileged, _sysctls]
    rules: list[Callable[[Object], str]]
    rules = [
        _capabilities_baseline,
        _host_namespaces,
        _host_path,
        _host_ports,
        _privileged,
        _seccomp_baseline,
        _sysctls,
    ]
    if level == "restricted":
        rules = [*both, _escalation, _capabilities, _volumes, _non_root, _root_user, _seccomp]
    for rule in rules:
        if said := rule(spec):
            yield said


def _containers(spec: Object) -> list[Object]:
    return [
        *(spec.get("initContainers") or ()),
        *(spec.get("containers") or ()),
        *(spec.get("ephemeralContainers") or ()),
    ]


def _context(container: Object) -> Object:
    found: Object = container.get("securityContext") or {}
    return found


def _named(names: list[str], thing: str = "container") -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{thing} {quoted}" if len(names) == 1 else f"{thing}s {quoted}"


def _bad(spec: Object, wrong: Callable[[Object], bool]) -> list[str]:
    return [each["name"] for each in _containers(spec) if wrong(each)]


def _escalation(spec: Object) -> str:
    bad = _bad(spec, lambda c: _context(c).get("allowPrivilegeEscalation") is not False)
    said = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_named(bad)} {said})" if bad else ""


def _capabilities(spec: Object) -> str:
    def dropped(container: Object) -> bool:
        return "ALL" in ((_context(container).get("capabilities") or {}).get("drop") or [])

    def added(container: Object) -> set[str]:
        return set((_context(container).get("capabilities") or {}).get("add") or []) - {"NET_BIND_SERVICE"}

    keeping, adding = _bad(spec, lambda c: not dropped(c)), _bad(spec, lambda c: bool(added(c)))
    said = [f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if adding:
        what = ", ".join(f'"{name}"' for name in sorted(set().union(*(added(c) for c in _containers(spec)))))
        said.append(f"{_named(adding)} must not include {what} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(said)})" if said else ""


def _capabilities_baseline(spec: Object) -> str:
    allowed = {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
               "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}  # fmt: skip
    added = {
        each["name"]: set((_context(each).get("capabilities") or {}).get("add") or []) - allowed
        for each in _containers(spec)
    }
    bad = [name for name, more in added.items() if more]
    what = ", ".join(f'"{name}"' for name in sorted(set().union(*added.values())))
    said = f"must not include {what} in securityContext.capabilities.add"
    return f"non-default capabilities ({_named(bad)} {said})" if bad else ""


def _host_namespaces(spec: Object) -> str:
    bad = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return f"host namespaces ({', '.join(bad)})" if bad else ""


def _host_path(spec: Object) -> str:
    bad = [each["name"] for each in spec.get("volumes") or () if "hostPath" in each]
    return f"hostPath volumes ({_named(bad, 'volume')})" if bad else ""


def _host_ports(spec: Object) -> str:
    found = [
        (each["name"], port["hostPort"])
        for each in _containers(spec)
        for port in each.get("ports") or ()
        if port.get("hostPort")
    ]
    names = list(dict.fromkeys(name for name, _ in found))
    ports = ", ".join(str(port) for port in sorted({port for _, port in found}))
    many = "s" if len({port for _, port in found}) > 1 else ""
    return f"hostPort ({_named(names)} {'use' if len(names) > 1 else 'uses'} hostPort{many} {ports})" if found else ""


def _privileged(spec: Object) -> str:
    bad = _bad(spec, lambda c: bool(_context(c).get("privileged")))
    return f"privileged ({_named(bad)} must not set securityContext.privileged=true)" if bad else ""


def _volumes(spec: Object) -> str:
    kinds = {each["name"]: next((key for key in each if key != "name"), "") for each in spec.get("volumes") or ()}
    bad = {name: kind for name, kind in kinds.items() if kind not in _VOLUMES}
    if not bad:
        return ""
    types = sorted(set(bad.values()))
    said = ", ".join(f'"{kind}"' for kind in types)
    uses = "use" if len(bad) > 1 else "uses"
    many = "s" if len(types) > 1 else ""
    return f"restricted volume types ({_named(list(bad), 'volume')} {uses} restricted volume type{many} {said})"


def _non_root(spec: Object) -> str:
    whole = (spec.get("securityContext") or {}).get("runAsNonRoot")
    against = _bad(spec, lambda c: _context(c).get("runAsNonRoot") is False)
    silent = _bad(spec, lambda c: _context(c).get("runAsNonRoot") is None) if whole is not True else []
    if against:
        return f"runAsNonRoot != true ({_named(against)} must not set securityContext.runAsNonRoot=false)"
    if whole is False:
        return "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"
    return (
        f"runAsNonRoot != true (pod or {_named(silent)} must set securityContext.runAsNonRoot=true)" if silent else ""
    )


def _root_user(spec: Object) -> str:
    parts = ["pod"] if (spec.get("securityContext") or {}).get("runAsUser") == 0 else []
    bad = _bad(spec, lambda c: _context(c).get("runAsUser") == 0)
    parts += [_named(bad)] if bad else []
    return f"runAsUser=0 ({' and '.join(parts)} must not set runAsUser=0)" if parts else ""


def _seccomp(spec: Object) -> str:
    fine = ("RuntimeDefault", "Localhost")
    whole = ((spec.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
    types = {each["name"]: (_context(each).get("seccompProfile") or {}).get("type") for each in _containers(spec)}
    against = [name for name, kind in types.items() if kind and kind not in fine]
    parts = []
    if whole and whole not in fine:
        parts.append("pod")
    if against:
        parts.append(_named(against))
    if parts:
        kinds = sorted({kind for kind in [whole, *types.values()] if kind and kind not in fine})
        said = ", ".join(f'"{kind}"' for kind in kinds)
        return f"seccompProfile ({' and '.join(parts)} must not set securityContext.seccompProfile.type to {said})"
    silent = [name for name, kind in types.items() if not kind] if whole not in fine else []
    said = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {_named(silent)} {said})" if silent else ""


def _seccomp_baseline(spec: Object) -> str:
    said = _seccomp(spec)
    return said if "must not set" in said else ""


def _sysctls(spec: Object) -> str:
    used = [each["name"] for each in (spec.get("securityContext") or {}).get("sysctls") or ()]
    bad = [name for name in used if name not in _SYSCTLS]
    return f"forbidden sysctls ({', '.join(bad)})" if bad else ""

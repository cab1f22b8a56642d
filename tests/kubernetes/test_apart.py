"""What stolen credentials and a curious notebook are worth on a real cluster: the rights as they are installed."""

import json
import time
from typing import Any

import pytest

from support.at_work import working
from support.cluster_platform import Platform
from support.installation import wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]


def _as(platform: Platform, account: str, *arguments: str, manifest: dict[str, Any] | None = None) -> str:
    """The API server's refusal when the platform's `account` does it (a dry run); empty: it would be done."""
    who = f"--as=system:serviceaccount:{platform.instance}:{account}"
    text = "" if manifest is None else json.dumps(manifest)
    given = ["--filename=-"] if manifest else []
    try:
        platform.cluster.kubectl(*arguments, who, "--dry-run=server", *given, text=text)
    except RuntimeError as refused:
        return str(refused)
    return ""


def _may(platform: Platform, account: str, *question: str) -> bool:
    said = platform.cluster.kubectl("auth", "can-i", *question, f"--as={account}", check=False)
    return said.strip() == "yes"


def _object(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **where, **more.pop("metadata", {})}} | more


def _space(platform: Platform, tenant: str) -> str:
    """A tenant's namespace."""
    listed = platform.cluster.get("namespaces", f"--selector=hubernate.io/instance={platform.instance}")["items"]
    shown = "hubernate.io/tenant-name"
    return next(str(each["metadata"]["name"]) for each in listed if each["metadata"]["annotations"][shown] == tenant)


@pytest.fixture
def spaces(platform: Platform) -> tuple[str, str]:
    """The two tenants' namespaces, once they are made."""
    count = ("namespaces", f"--selector=hubernate.io/instance={platform.instance}")
    wait_until("both spaces are there", lambda: len(platform.cluster.get(*count)["items"]) == 2, timeout_s=120)
    return _space(platform, "Research"), _space(platform, "Analytics")


def test_a_stolen_token_of_the_hub_reads_no_secret_and_leaves_no_tenant(
    platform: Platform, spaces: tuple[str, str]
) -> None:
    hub = f"system:serviceaccount:{platform.instance}:hub"
    for space in (*spaces, platform.instance, "kube-system", "default"):
        assert not _may(platform, hub, "get", "secrets", f"--namespace={space}"), f"it reads secrets of {space}"
        assert not _may(platform, hub, "create", "pods", "--subresource=exec", f"--namespace={space}")
        assert not _may(platform, hub, "patch", "pods", f"--namespace={space}"), "a patch could change an image"
    for space in (platform.instance, "kube-system", "default"):
        for verb, what in (("create", "pods"), ("create", "secrets"), ("delete", "pods"), ("create", "pvc")):
            assert not _may(platform, hub, verb, what, f"--namespace={space}"), f"it may {verb} {what} in {space}"
    assert _may(platform, hub, "create", "pods", f"--namespace={spaces[0]}"), "what it is there for"


def test_a_stolen_token_of_the_service_writes_in_tenants_spaces_only(
    platform: Platform, spaces: tuple[str, str]
) -> None:
    ours = {"hubernate.io/instance": platform.instance}
    for refused in (
        _as(platform, "service", "create", manifest=_object("Namespace", "somebody-elses")),
        # Labels alone do not make a namespace a tenant's: its name is made of them.
        _as(platform, "service", "create", manifest=_object(
            "Namespace", "somebody-elses", metadata={"labels": ours | {"hubernate.io/tenant": "taaaaaaaa1"}})),
        _as(platform, "service", "label", "namespace", "default", f"hubernate.io/instance={platform.instance}",
            "hubernate.io/tenant=taaaaaaaa1"),
        _as(platform, "service", "create", manifest=_object("Secret", "x", "kube-system")),
        _as(platform, "service", "create", manifest=_object("ServiceAccount", "x", platform.instance)),
        _as(platform, "service", "create", manifest=_object("ConfigMap", "x", "default")),
        _as(platform, "service", "delete", "namespace", platform.instance),
    ):  # fmt: skip
        assert "the platform writes only in its tenants' namespaces" in refused
    assert _as(platform, "service", "create", manifest=_object("ConfigMap", "x", spaces[0])) == ""
    service = f"system:serviceaccount:{platform.instance}:service"
    assert not _may(platform, service, "get", "secrets", f"--namespace={spaces[0]}")
    assert _as(platform, "service", "delete", "namespace", spaces[0]) == "", "a team that was deleted leaves nothing"
    assert not _may(platform, service, "create", "pods", f"--namespace={spaces[0]}")


def test_it_binds_the_hubs_role_and_no_other(platform: Platform, spaces: tuple[str, str]) -> None:
    def binding(role: str) -> dict[str, Any]:
        group = "rbac.authorization.k8s.io"
        made = _object("RoleBinding", "x", spaces[0]) | {"apiVersion": f"{group}/v1"}
        return made | {
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "hub", "namespace": platform.instance}],
        }

    assert "is attempting to grant" in _as(platform, "service", "create", manifest=binding("cluster-admin"))
    assert _as(platform, "service", "create", manifest=binding(f"{platform.instance}-tenant-hub")) == ""


def test_notebooks_and_agents_have_no_rights(platform: Platform, spaces: tuple[str, str]) -> None:
    for account in (f"{spaces[0]}:notebook", f"{platform.instance}:agent", f"{platform.instance}:proxy"):
        who = f"system:serviceaccount:{account}"
        for what in ("pods", "secrets", "namespaces", "nodes", "configmaps"):
            for verb in ("get", "list", "create", "delete"):
                assert not _may(platform, who, verb, what, "--all-namespaces"), f"{account} may {verb} {what}"


def test_pods_of_people_pass_restricted(platform: Platform, spaces: tuple[str, str]) -> None:
    """The API server itself says which running pod would not: none."""
    working(platform, "ada", 1000, wait_s=300)
    level = "pod-security.kubernetes.io/enforce=restricted"
    for space in spaces:
        labels = platform.cluster.get("namespace", space)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    listed = platform.cluster.get("pods", f"--namespace={spaces[0]}")["items"]
    assert listed, "there is a pod to judge"
    done = platform.cluster.kubectl("label", "--dry-run=server", "--overwrite", "namespace", spaces[0], level)
    assert "violat" not in done


def test_a_notebook_reaches_its_gate_and_nobody_elses(platform: Platform, spaces: tuple[str, str]) -> None:
    """Colleague or stranger: by the network nobody, by the proxy only one's own server."""
    ada, _ = working(platform, "ada", 1000, wait_s=300)
    grace, _ = working(platform, "grace", 1000, wait_s=300)
    linus, _ = working(platform, "linus", 1000, wait_s=300)
    targets = [(platform.pod_of(other)["status"]["podIP"], port) for other in (grace, linus) for port in (8888, 8889)]
    registry = platform.cluster.registry_url().rpartition("/")[2].partition(":")
    targets += [(registry[0], int(registry[2]))]
    targets += [
        (platform.component(name)["status"]["podIP"], port) for name, port in (("proxy", 8001), ("proxy", 8000))
    ]
    code = (
        "import socket\n"
        f"for target in {targets!r}:\n"
        "    try: socket.create_connection(target, timeout=3); print(target)\n"
        "    except OSError: pass\n"
    )
    assert ada.run(code) == "", "a notebook reaches what it must not"
    for other in (grace, linus):
        answer = ada.ask("GET", f"/user/{other.name}/api/contents")
        assert answer.status_code in (403, 404), f"{other.name}'s files: {answer.status_code}"


def test_no_secret_is_in_a_notebook(platform: Platform) -> None:
    ada, _ = working(platform, "ada", 1000, wait_s=300)
    seen = ada.shell("env; cat /proc/1/environ | tr '\\0' '\\n'; cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '")
    assert "working" in ada.shell("echo working") and "PATH=" in seen
    assert "JUPYTERHUB" not in seen and "API_TOKEN" not in seen
    assert "No such file" in ada.shell("ls /var/run/secrets /run/hubernate-gate 2>&1 || true")
    assert ada.shell("touch /run/hubernate/released 2>/dev/null && echo written || echo refused").strip() == "refused"


def test_what_is_in_order_is_left_alone(platform: Platform, spaces: tuple[str, str]) -> None:
    """Rounds over the tenants' objects (every 10 s here) write nothing, and drift is put right."""
    assert spaces

    def put_right() -> list[str]:
        answer = platform.person("admin").ask("GET", "/services/hubernate/metrics")
        assert answer.status_code == 200, answer.text
        return [line for line in answer.text.splitlines() if line.startswith("hubernate_objects_put_right_total")]

    before = put_right()
    time.sleep(25)
    assert put_right() == before, "two rounds found something to write"
    platform.cluster.kubectl("delete", "networkpolicy", "closed", f"--namespace={spaces[0]}")
    there = ("networkpolicies", f"--namespace={spaces[0]}")
    wait_until("it is there again", lambda: len(platform.cluster.get(*there)["items"]) == 2, timeout_s=60)
    wait_until("the metrics tell it", lambda: put_right() != before)

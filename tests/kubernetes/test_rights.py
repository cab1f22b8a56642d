"""Every right of config/kubernetes/base/permissions.yaml is needed, is used here, and is on the page that lists them.

On the fake, whose authorization is RBAC over those very objects: a request that needs another right fails wherever it
is made, and a right that no request needs fails here.
"""

import json
import re
from pathlib import Path

from hubernate_core.operation import Step
from hubernate_spawner import lifecycle
from hubernate_spawner.progress import Log
from support.fake_kube.rbac import rights as atoms
from support.installation import ROOT
from support.kube_platform import Platform, fake_cluster, on_cluster
from support.kube_spawner import begin, connected
from support.kube_tenant import a_tenancy
from support.permissions import rights
from support.platform_service import eventually

PAGE = ROOT / "docs" / "reference" / "kubernetes-permissions.md"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
_VERBS = {"get", "list", "watch", "create", "update", "patch", "delete", "bind"}


async def test_the_hub_needs_each_of_its_rights(tmp_path: Path) -> None:
    with a_tenancy() as tenancy:
        service = tenancy.service
        async with connected(tenancy, tmp_path) as ports:
            await lifecycle.stop(ports.service, await begin(ports), Log())
            assert service.placement is not None
            service.placement = service.placement.model_copy(update={"home_size": 2 * 1024**3})
            running = await begin(ports)
            service.adopt = running.uid
            await begin(ports, JUPYTERHUB_API_TOKEN="a-new-token")
            service.adopt = None
            await lifecycle.stop(ports.service, running, Log())
            tenancy.kube.kubelet.runtime.missing_images.add(service.image)
            try:
                await begin(ports)
            except Exception as problem:  # noqa: BLE001 - which one is test_spawner_start's matter
                assert "image" in str(problem)
        roles = [f"{service.instance}-hub", f"{service.instance}-tenant-hub"]
        assert tenancy.kube.authorizer.unused(roles) == []


def test_the_service_needs_each_of_its_rights(tmp_path: Path) -> None:
    (tmp_path / "pull.json").write_text('{"auths": {}}')
    (tmp_path / "ca.pem").write_text(PEM)
    backend = {
        "tenants_every_s": 1,
        "pull_config_file": str(tmp_path / "pull.json"),
        "notebook_ca_file": str(tmp_path / "ca.pem"),
    }
    with fake_cluster() as cluster, on_cluster(tmp_path / "state", cluster, backend=backend) as platform:
        kube = cluster.fake
        assert kube is not None
        _start_and_stop(platform)
        _loosen(platform)
        _delete_a_tenant(platform)
        _meet_a_foreign_namespace(platform)
        role = f"{platform.instance}-service"

        def rest() -> set[str]:
            return {f"{each.verb} {each.resource}" for each in kube.authorizer.unused([role])}

        eventually("the foreign namespace is looked at", lambda: "get namespaces" not in rest())
        assert rest() == set()


def _start_and_stop(platform: Platform) -> None:
    started = platform.start("ada")
    agent = platform.agent(started.node)
    platform.service.tell(started.ticket, "stop", {"generation": 1})
    order = agent.order(started.seen())
    assert agent.record(order) == "release"
    agent.say(order, Step.RELEASED)
    assert platform.is_gone(started)


def _loosen(platform: Platform) -> None:
    """Somebody takes Pod Security off a tenant's namespace; it is put right."""
    path, level = f"/api/v1/namespaces/{platform.namespace()}", "pod-security.kubernetes.io/enforce"
    loose = {"metadata": {"labels": {level: "privileged"}}}
    platform.admin("PATCH", path, loose, kind="application/merge-patch+json")
    eventually("it is right", lambda: platform.admin("GET", path)["metadata"]["labels"][level] == "restricted")


def _delete_a_tenant(platform: Platform) -> None:
    """Its namespace goes with it."""
    root = platform.service.person("root", admin=True)
    assert root("POST", "/tenants", json={"name": "leaving"}).status_code == 201
    eventually("its namespace is there", lambda: platform.namespace("leaving"))
    eventually("it is marked", lambda: root("POST", "/tenants/leaving/deletion").status_code == 200)
    assert root("DELETE", "/tenants/leaving?confirm=leaving").status_code == 204
    eventually("it is gone", lambda: not platform.namespace("leaving"))


def _meet_a_foreign_namespace(platform: Platform) -> None:
    """One that has the name of a tenant's and is not labelled: it is looked at, and left."""
    name = platform.namespace("biology")
    labels = {"metadata": {"labels": {"hubernate.io/instance": None}}}
    platform.admin("PATCH", f"/api/v1/namespaces/{name}", labels, kind="application/merge-patch+json")


def test_none_is_wider_than_the_platform_says() -> None:
    """No star, nothing read of a Secret, nobody's identity, no way into a container or past the API server."""
    for each in rights("hubernate"):
        for rule in each.get("rules", ()):
            given = json.dumps(rule)
            assert "*" not in given and not rule.get("nonResourceURLs"), rule
            assert set(rule["verbs"]) <= _VERBS, rule
            assert not any("/" in resource for resource in rule["resources"]), "no subresource: exec, proxy, token"
            if "secrets" in rule["resources"]:
                assert not {"get", "list", "watch", "delete"} & set(rule["verbs"]), rule
            if "bind" in rule["verbs"]:
                assert rule["resourceNames"] == ["hubernate-tenant-hub"], rule
    bound = [
        (each["subjects"][0]["name"], each["roleRef"]["name"]) for each in rights("hubernate") if "subjects" in each
    ]
    assert sorted(bound) == [("hub", "hubernate-hub"), ("service", "hubernate-service")], "everywhere: these two"


def test_the_page_lists_them_with_their_reasons() -> None:
    given = {
        (each["metadata"]["name"], right.resource, right.verb)
        for each in rights("hubernate")
        for right in atoms("", each.get("rules", ()))
    }
    told, role = set(), ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"### .*ClusterRole `([a-z-]+)`", line):
            role = heading[1]
        elif line.startswith("### ") or line.startswith("## "):
            role = ""
        elif role and line.startswith("| `"):
            resources, verbs, why = (each.strip() for each in line.strip("|").split("|"))
            assert len(why) > 10, line
            words = set(re.findall(r"`([a-z-]+)`", verbs)) & _VERBS
            told |= {(role, resource, verb) for resource in re.findall(r"`([a-z]+)`", resources) for verb in words}
    assert told == given

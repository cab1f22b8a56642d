"""What must never reach a cluster, whoever asks for it (B08, B14, B15, B28). On the fake, with the hub's rights."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.errors import Broken
from hubernate_spawner import kube_start
from support.fake_kube.runtime import Behaviour
from support.kube_spawner import begin, connected
from support.kube_tenant import Tenancy, a_tenancy

Pod = dict[str, Any]
DIGEST = "@sha256:" + "a" * 64


@pytest.fixture
def tenancy() -> Iterator[Tenancy]:
    with a_tenancy() as made:
        yield made


SMUGGLED: dict[str, Callable[[Pod], object]] = {
    "privileged": lambda pod: pod["spec"]["containers"][0]["securityContext"].update(privileged=True),
    "a folder of the node": lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "another service account": lambda pod: pod["spec"].update(serviceAccountName="default"),
    "a node past the scheduler": lambda pod: pod["spec"].update(nodeName="node-1"),
    "every taint tolerated": lambda pod: pod["spec"].update(tolerations=[{"operator": "Exists"}]),
    "another container": lambda pod: pod["spec"]["initContainers"].append({"name": "x", "image": f"x{DIGEST}"}),
    "somebody's secret": lambda pod: pod["spec"]["volumes"].append({"name": "x", "secret": {"secretName": "other"}}),
    "somebody's home": lambda pod: pod["spec"]["volumes"][0].update(persistentVolumeClaim={"claimName": "other"}),
    "an image by tag": lambda pod: pod["spec"]["containers"][0].update(image="registry.test/x:latest"),
}


@pytest.mark.parametrize("what", SMUGGLED)
async def test_a_pod_with_more_in_it_is_not_sent(
    tenancy: Tenancy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """B15: the last look at the whole pod, whichever way it came into it."""
    whole = kube_start.make_pod

    def more(spec: Any) -> Pod:
        pod = whole(spec)
        SMUGGLED[what](pod)
        return pod

    monkeypatch.setattr(kube_start, "make_pod", more)
    async with connected(tenancy, tmp_path) as ports:
        with pytest.raises(Broken, match="more than a notebook may be; it was not sent"):
            await begin(ports)
    assert tenancy.requests() == [] and tenancy.service.pods() == []


@pytest.mark.parametrize("user", ["a,hubernate.io/tenant=b", "a=b", "{username}", "$(HOME)", "<script>", "ü" * 100])
async def test_what_a_person_is_called_selects_nothing(tenancy: Tenancy, tmp_path: Path, user: str) -> None:
    """B08: names are shown in an annotation; labels, by which everything is found, are ids."""
    async with connected(tenancy, tmp_path) as ports:
        server = await begin(ports, JUPYTERHUB_USER=user)
    pod = tenancy.kube.get("pods", server.namespace, server.pod)
    assert pod is not None and pod["metadata"]["annotations"]["hubernate.io/user"] == user
    assert not any(user in value for value in pod["metadata"]["labels"].values())
    del pod["metadata"]["annotations"]
    assert user not in json.dumps(pod, ensure_ascii=False)


async def test_nothing_takes_the_gates_port_before_it(tenancy: Tenancy, tmp_path: Path) -> None:
    """B28: the notebook's container is not even made while the gate does not listen."""
    tenancy.kube.kubelet.runtime.behaviour = lambda pod, container: (
        Behaviour(ready=False) if container["name"] == "gate" else Behaviour()
    )
    async with connected(tenancy, tmp_path) as ports:
        starting = asyncio.create_task(begin(ports))
        async with asyncio.timeout(30):
            while not (pods := tenancy.service.pods()) or "initContainerStatuses" not in pods[0]["status"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        (pod,) = tenancy.service.pods()
        (gate,) = pod["status"]["initContainerStatuses"]
        assert "running" in gate["state"]
        assert not any("running" in each["state"] for each in pod["status"].get("containerStatuses", ()))
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

"""Nothing of the running container but its files enters an image: no environment, label, argument or platform file
(P3)."""

import json
import tarfile
from io import BytesIO

import pytest

from hubernate_core.operation import Kind
from support.agent import Node
from support.engine import shell, unpacked

pytestmark = pytest.mark.docker

_CANARIES = {
    "environment": "canary-env-5f1c9a",
    "label": "canary-label-77ab01",
    "argument": "canary-argv-9910cd",
    "hostname": "canary-host-31fe",
    "hub file": "canary-gate-file-d00d",
    "runtime file": "canary-kernel-key-beef",
    "temporary file": "canary-tmp-cafe",
    "deleted file": "canary-deleted-0451",
}


def test_no_canary_is_in_any_byte_of_what_was_pushed(node: Node) -> None:
    before = set(node.registry.blobs())
    container = node.notebook(
        environment={"JUPYTERHUB_API_TOKEN": _CANARIES["environment"]},
        labels={"hub.jupyter.org/user": _CANARIES["label"], "containerd.io/restart.status": _CANARIES["label"]},
        command=["/bin/sh", "-c", f"sleep 1000000; : {_CANARIES['argument']}"],
        hostname=_CANARIES["hostname"],
    )
    shell(
        container,
        f"mkdir -p /etc/hubernate /root/.local/share/jupyter/runtime /run/x; echo "
        f"{_CANARIES['hub file']} > /etc/hubernate/gate.json;"
        f"echo {_CANARIES['runtime file']} > /root/.local/share/jupyter/runtime/kernel-1.json;"
        f"echo {_CANARIES['temporary file']} > /tmp/x; echo {_CANARIES['temporary file']} > /run/x/y;"
        f"echo {_CANARIES['deleted file']} > /opt/gone; rm /opt/gone; echo kept-5150 > /opt/kept",
    )
    node.start_agent()
    row = node.save(container, Kind.STOP)
    blobs = {digest: unpacked(data) for digest, data in node.registry.blobs().items() if digest not in before}
    assert any(b"kept-5150" in data for data in blobs.values()), "the scan would find what is there"
    for what, canary in _CANARIES.items():
        assert [digest for digest, data in blobs.items() if canary.encode() in data] == [], what
    everything = json.dumps([report.model_dump(mode="json") for _, report in row.reports])
    assert not any(canary in everything for canary in _CANARIES.values())


def test_the_config_is_the_base_images_with_our_labels_only(node: Node) -> None:
    container = node.notebook(environment={"EXTRA": "1"}, labels={"other": "label"}, working_dir="/opt", user="1000")
    node.start_agent()
    image = node.saved(container)
    manifest = json.loads(node.registry.blobs()[image.digest])
    config = json.loads(node.registry.blobs()[manifest["config"]["digest"]])
    assert config["config"]["Env"][-1] == "BASE=kept"
    assert not any(each.startswith("EXTRA") for each in config["config"]["Env"])
    assert config["config"]["WorkingDir"] == "/"
    assert set(config["config"]["Labels"]) == {"io.hubernate.server", "io.hubernate.generation"}
    assert not {"container", "container_config", "hostname"} & set(config)


def test_every_layer_is_a_plain_tar_with_relative_names(node: Node) -> None:
    """A second reader, Python's own, understands what our writer wrote."""
    container = node.notebook()
    shell(container, "mkdir /opt/a; echo x > /opt/a/b; ln /opt/a/b /opt/a/c; rm /opt/app/base0")
    node.start_agent()
    image = node.saved(container)
    with tarfile.open(
        fileobj=BytesIO(unpacked(node.registry.blobs()[image.layers[0].digest])[image.layers[0].size :])
    ) as tar:
        names = tar.getnames()
    assert "opt/a/b" in names
    assert "opt/app/.wh.base0" in names
    assert not any(name.startswith("/") or ".." in name.split("/") for name in names)

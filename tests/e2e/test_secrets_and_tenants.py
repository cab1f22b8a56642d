"""What user code can see and reach (P3, P4, P5), tried from inside a running notebook."""

import gzip
import json

import httpx
import pytest

from support.installation import Installation

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def running(platform: Installation) -> None:
    for name, tenant in (("ada", "research"), ("linus", "analytics")):
        person = platform.person(name)
        if not (person.server() or {}).get("ready"):
            person.start(profile="base", tenant=tenant, start="clean")


def secrets_of(platform: Installation) -> list[bytes]:
    """Every secret value of the platform, the relay and server tokens of running gates included."""
    values = [path.read_bytes().strip() for path in (platform.state / "secrets").iterdir() if path.is_file()]
    for gate in platform.containers("gate"):
        config = json.loads(gate.exec_run(["cat", "/etc/hubernate/gate.json"], user="65532").output)
        values += [config["hub_token"].encode(), config["relay_token"].encode()]
    return [value for value in values if len(value) >= 16]


def test_user_code_holds_no_token(platform: Installation) -> None:
    ada = platform.person("ada")
    processes = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"
    seen = ada.shell(f"{processes}; env; cat /etc/hubernate/* 2>/dev/null")
    assert "JUPYTERHUB" not in seen and "JPY_API_TOKEN" not in seen
    for secret in secrets_of(platform):
        assert secret.decode(errors="replace") not in seen


def test_nothing_secret_is_in_what_was_pushed(platform: Installation) -> None:
    ada = platform.person("ada")
    ada.shell("echo canary > /opt/env/canary.txt")
    assert ada.save("scan")["outcome"] == "saved"
    secrets = secrets_of(platform)
    container = platform.containers("notebook", ada.platform_server()["id"])[0]
    secrets += [container.id.encode(), *(part.encode() for part in container.attrs["Args"] if len(part) >= 16)]
    newest = ada.checkpoints()[0]
    registry = f"http://{platform.settings['registry']}/v2/{newest['repository']}"
    manifest = httpx.get(
        f"{registry}/manifests/{newest['digest']}",
        headers={
            "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        },
    )
    own = {layer["digest"] for layer in newest["layers"]}
    digests = [manifest.json()["config"]["digest"], *own]
    blobs = [manifest.content, *(httpx.get(f"{registry}/blobs/{each}", timeout=120).content for each in digests)]
    blobs += [gzip.decompress(blob) for blob in blobs if blob[:2] == b"\x1f\x8b"]
    assert any(b"canary" in blob for blob in blobs), "the scan reads what was saved"
    for secret in secrets:
        assert not any(secret in blob for blob in blobs), "a secret of the platform is in a pushed blob"


def test_another_persons_notebook_and_checkpoints_are_closed(platform: Installation) -> None:
    ada, linus = platform.person("ada"), platform.person("linus")
    assert linus.ask("GET", "/user/ada/api/kernels").status_code in (401, 403, 404)
    mine = ada.platform_server()
    assert linus.api("GET", f"/servers/{mine['id']}").status_code == 404
    assert linus.api("GET", f"/servers/{mine['id']}/checkpoints").status_code == 404
    assert linus.api("POST", f"/servers/{mine['id']}/operations", json={"kind": "stop"}).status_code == 404


def test_tenants_do_not_reach_each_other_or_the_host(platform: Installation) -> None:
    ada, linus = platform.person("ada"), platform.person("linus")
    gate = platform.containers("gate", linus.platform_server()["id"])[0]
    gate.reload()
    address = next(iter(gate.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    ports = platform.settings["ports"]
    bridge = platform.settings["bridge_address"]
    closed = [
        (address, 8888),
        (bridge, 22),
        (bridge, ports["registry"]),
        (bridge, ports["proxy_api"]),
        ("169.254.169.254", 80),
    ]
    code = (
        "import socket\n"
        f"for host, port in {closed!r}:\n"
        "    try:\n"
        "        socket.create_connection((host, port), timeout=2).close(); print('OPEN', host, port)\n"
        "    except OSError as problem:\n"
        "        print('closed')\n"
    )
    assert ada.run(code).split() == ["closed"] * len(closed)


def test_the_notebook_container_is_confined(platform: Installation) -> None:
    container = platform.containers("notebook", platform.person("ada").platform_server()["id"])[0]
    host = container.attrs["HostConfig"]
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
    assert host["PidsLimit"] > 0 and host["Memory"] > 0 and host["NanoCpus"] > 0
    assert container.attrs["Config"]["User"].split(":")[0] not in ("", "0", "root")

"""What a start makes: compared with the whole body that the engine gets, and searched for what must not be there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core import names
from hubernate_core.errors import Broken, InvalidInput
from hubernate_core.manifests.docker import BRIDGE, ICC
from hubernate_core.server import Start
from hubernate_spawner.plan import Facts, make_plan
from support.tickets import CANARY, DIGEST, RELAY, hub_env, ticket

FACTS = Facts(instance="hub1", gate_image="127.0.0.1:5000/platform/gate@" + DIGEST)


def test_the_notebook_gets_this_and_nothing_else() -> None:
    plan = make_plan(ticket(), hub_env(), FACTS)
    assert plan.notebook.name == "hub1-saaaaaaaa1-g7"
    assert plan.notebook.body == {
        "Image": f"127.0.0.1:5000/t-taaaaaaaa1/u-oaaaaaaaa1@{DIGEST}",
        "User": "1000:1000",
        "Env": ["GREETING=hello $(HOME) {username} %s", "HUBERNATE_BASE_URL=/user/alice/"],
        "Labels": {
            "io.hubernate.instance": "hub1",
            "io.hubernate.tenant": "taaaaaaaa1",
            "io.hubernate.server": "saaaaaaaa1",
            "io.hubernate.generation": "7",
            "io.hubernate.role": "notebook",
        },
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "Memory": 4 * 1024**3,
            "MemorySwap": 4 * 1024**3,
            "PidsLimit": 512,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10485760", "max-file": "2"}},
            "NetworkMode": "container:hub1-saaaaaaaa1-g7-gate",
            "NanoCpus": 1_500_000_000,
            "Init": True,
            "ShmSize": 1024**3,
            "Mounts": [{"Type": "volume", "Source": "hub1-home-oaaaaaaaa1", "Target": "/home/jovyan"}],
        },
    }


def test_the_gate_gets_this_and_its_file() -> None:
    plan = make_plan(ticket(), hub_env(), FACTS)
    assert plan.gate.body == {
        "Image": FACTS.gate_image,
        "User": "65532:65532",
        "Env": [],
        "ExposedPorts": {"8888/tcp": {}},
        "Labels": plan.notebook.body["Labels"] | {"io.hubernate.role": "gate"},
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "Memory": 128 * 1024**2,
            "MemorySwap": 128 * 1024**2,
            "PidsLimit": 64,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10485760", "max-file": "2"}},
            "NetworkMode": "hub1-net-taaaaaaaa1",
        },
    }
    file = plan.gate_file
    assert (file.hub_token, file.relay_token, file.generation) == (CANARY, RELAY, 7)
    assert (file.prefix, file.callback_path, file.hub_base_path) == (
        "/user/alice/",
        "/user/alice/oauth_callback",
        "/hub/",
    )
    assert file.access_scopes == ("access:servers!server=alice/", "access:servers!user=alice")


def test_a_tenants_network_lets_no_container_reach_another() -> None:
    network = make_plan(ticket(), hub_env(), FACTS).network
    assert network.options == {ICC: "false", BRIDGE: "hbn-taaaaaaaa1"}
    assert len(network.options[BRIDGE]) <= 15


def test_ca_bundle_and_mirrors_reach_the_notebook_and_the_profile_wins() -> None:
    facts = Facts(
        "hub1", "gate", mirrors={"PIP_INDEX_URL": "https://mirror/simple", "GREETING": "no"}, ca_bundle="/ca.pem"
    )
    body = make_plan(ticket(start=Start.SAFE), hub_env(), facts).notebook.body
    env = dict(each.split("=", 1) for each in body["Env"])
    assert env["PIP_INDEX_URL"] == "https://mirror/simple"
    assert env["GREETING"].startswith("hello")
    assert env["SSL_CERT_FILE"] == "/etc/hubernate/ca-bundle.crt"
    assert env["HUBERNATE_SAFE"] == "1"
    assert {"Type": "bind", "Source": "/ca.pem", "Target": "/etc/hubernate/ca-bundle.crt", "ReadOnly": True} in (
        body["HostConfig"]["Mounts"]
    )


@pytest.mark.parametrize(
    "name",
    ["{0.__class__}", "{{username}}", "$(JUPYTERHUB_API_TOKEN)", "%s%n", "a,io.hubernate.tenant=tother", "я=б", "a b"],
)
def test_a_user_name_is_no_template_and_no_label(name: str) -> None:
    plan = make_plan(ticket(), hub_env(name, "/user/x/"), FACTS)
    engine = json.dumps(
        [plan.gate.body, plan.notebook.body, plan.network.labels, plan.volume.labels], ensure_ascii=False
    )
    assert name not in engine
    assert plan.gate_file.user == name, "literally, unexpanded"


@given(st.text(min_size=1, max_size=40), st.sampled_from(list(Start)), st.integers(1, 10**6))
def test_no_token_and_nothing_of_the_hubs_leaves_the_gate_file(user: str, start: Start, generation: int) -> None:
    plan = make_plan(ticket(start=start, generation=generation), hub_env(user), FACTS)
    engine = json.dumps(
        [
            plan.gate.body,
            plan.gate.name,
            plan.notebook.body,
            plan.notebook.name,
            plan.network.labels,
            plan.volume.labels,
        ]
    )
    for secret in (CANARY, RELAY, "JUPYTERHUB", "JPY_", "172.17.0.1"):
        assert secret not in engine
    assert CANARY not in repr(plan.gate_file)
    assert RELAY not in repr(plan.gate_file)
    assert set(plan.notebook.body["Labels"]) <= {
        names.INSTANCE_LABEL, names.TENANT_LABEL, names.SERVER_LABEL, names.GENERATION_LABEL, names.ROLE_LABEL,
    }  # fmt: skip


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_two_starts_never_share_a_name(one: int, other: int) -> None:
    first, second = (make_plan(ticket(generation=each), hub_env(), FACTS) for each in (one, other))
    made = {first.gate.name, first.notebook.name, second.gate.name, second.notebook.name}
    assert len(made) == (4 if one != other else 2)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"image": "127.0.0.1:5000/profiles/base:latest"}, InvalidInput),
        ({"image": "ubuntu"}, InvalidInput),
        ({"home_volume": "/"}, Broken),
        ({"home_volume": "hub1-home-oaaaaaaaa2"}, Broken),
        ({"tenant_id": "t,x=y"}, InvalidInput),
        ({"server_id": "../../etc"}, InvalidInput),
    ],
    ids=["tag", "no registry", "host folder as home", "another's home", "tenant id with a label", "path as id"],
)
def test_a_ticket_that_is_not_ours_makes_nothing(changes: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        make_plan(ticket(**changes), hub_env(), FACTS)


def test_a_hub_that_gives_no_token_is_told_so() -> None:
    env = hub_env()
    del env["JUPYTERHUB_API_TOKEN"]
    with pytest.raises(Broken, match="JUPYTERHUB_API_TOKEN"):
        make_plan(ticket(), env, FACTS)


def test_the_same_ticket_makes_the_same_plan() -> None:
    assert make_plan(ticket(), hub_env(), FACTS) == make_plan(ticket(), hub_env(), FACTS)

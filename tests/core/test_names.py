"""Names: one spelling for a person, no collision between engine names, nothing built from user text."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core import names
from hubernate_core.errors import InvalidInput


@pytest.mark.parametrize("spelling", ["Alice", "alice", "ALICE", "ａlice"])
def test_spellings_of_one_name_are_one_user(spelling: str) -> None:
    assert names.normalise_user(spelling) == "alice"


def test_composed_and_decomposed_letters_are_one_user() -> None:
    assert names.normalise_user("andre\u0301") == names.normalise_user("andr\u00e9")


def test_a_cyrillic_lookalike_is_another_user() -> None:
    assert names.normalise_user("\u0430lice") != "alice"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        ".",
        "..",
        "/",
        "a/b",
        "\\",
        "a\\b",
        "a\0b",
        "alice\n",
        " alice",
        "alice ",
        "a\u200bb",
        "a\u202eb",
        "x" * 256,
        "é" * 128,
    ],
    ids=repr,
)
def test_malformed_user_names_are_refused_in_one_short_line(bad: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        names.normalise_user(bad)
    assert refusal.value.field == "user"
    assert "\n" not in refusal.value.message and len(refusal.value.message) < 400


@pytest.mark.parametrize("literal", ["{username}", "{{x}}", "$(X)", "%s", "a,b", "a=b", "%2e%2e"])
def test_template_characters_in_a_user_name_stay_literal(literal: str) -> None:
    assert names.normalise_user(literal) == literal.casefold()


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    try:
        once = names.normalise_user(text)
    except InvalidInput:
        return
    assert names.normalise_user(once) == once


@pytest.mark.parametrize("name", ["", "a", "a-b", "gpu2", "x" * 30])
def test_server_names_by_jupyterhubs_rule_are_accepted(name: str) -> None:
    assert names.check_server_name(name) == name


@pytest.mark.parametrize("name", ["A", "1a", "a--b", "a-", "-a", "a_b", "x" * 31, "a\n", "a.b", "ä"])
def test_other_server_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="server_name"):
        names.check_server_name(name)


@pytest.mark.parametrize("name", ["kube-system", "kube-public", "default", "hubernate-x", "hub", "A", "", "a/b"])
def test_reserved_and_malformed_tenants_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="tenant"):
        names.check_tenant_name(name)


def test_new_ids_are_distinct_and_pass_their_own_check() -> None:
    made = {names.new_id() for _ in range(2000)}
    assert len(made) == 2000
    assert all(names.check_id(each, "id") == each for each in made)


@pytest.mark.parametrize("bad", ["", "../../etc", "abc", "A123456789", "a12345678'", "a1234567890", "a123456789\n"])
def test_what_is_not_an_id_never_becomes_a_name(bad: str) -> None:
    with pytest.raises(InvalidInput):
        names.check_id(bad, "server_id")


def test_engine_names_of_different_things_never_meet() -> None:
    ids = [names.ServerId(names.new_id()) for _ in range(200)]
    made = [
        build("hub", server, generation)
        for build, server, generation in itertools.product(
            (names.notebook_container, names.gate_container), ids, range(1, 6)
        )
    ]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", each) for each in made)


def test_a_bridge_name_fits_the_kernel_and_the_firewall_rule() -> None:
    bridge = names.tenant_bridge(names.TenantId(names.new_id()))
    assert len(bridge) <= 15 and bridge.startswith("hbn-")


def test_kubernetes_names_of_different_things_never_meet_and_fit() -> None:
    tenants = [names.TenantId(names.new_id()) for _ in range(200)]
    servers = [names.ServerId(names.new_id()) for _ in range(200)]
    instance = "i" + "x" * 19
    spaces = {names.tenant_namespace(instance, tenant) for tenant in tenants}
    pods = {names.server_pod(instance, server, generation) for server in servers for generation in (1, 11, 10**11)}
    claims = {names.home_claim(instance, names.OwnerId(each)) for each in tenants}
    assert (len(spaces), len(pods), len(claims)) == (200, 600, 200)
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", each) for each in spaces | pods | claims)


@given(st.text(alphabet="abkt-_./,=A\n1", max_size=12), st.text(alphabet="ab1-,=/", max_size=12))
def test_no_text_becomes_a_kubernetes_name(instance: str, tenant: str) -> None:
    try:
        made = names.tenant_namespace(instance, names.TenantId(tenant))
    except InvalidInput:
        return
    assert names.check_id(tenant, "t") == tenant
    assert made == f"{instance}-t-{tenant}"
    assert not made.startswith("kube-")


@pytest.mark.parametrize("instance", ["kube", "openshift", "", "A", "x" * 21, "a,b", "a-"])
def test_an_instance_cannot_name_the_clusters_own_namespaces(instance: str) -> None:
    with pytest.raises(InvalidInput, match="instance"):
        names.tenant_namespace(instance, names.TenantId(names.new_id()))


@pytest.mark.parametrize("generation", [0, -1, True, 10**12])
def test_a_generation_counts_from_one(generation: int) -> None:
    with pytest.raises(InvalidInput, match="generation"):
        names.server_pod("hub", names.ServerId(names.new_id()), generation)


def test_a_selector_means_its_labels() -> None:
    wanted = {names.KUBE_TENANT: "taaaaaaaa1", names.KUBE_INSTANCE: "hub1"}
    assert names.label_selector(wanted) == "hubernate.io/instance=hub1,hubernate.io/tenant=taaaaaaaa1"


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {names.KUBE_TENANT: "a,hubernate.io/tenant=b"},
        {names.KUBE_TENANT: "a=b"},
        {names.KUBE_TENANT: "a b"},
        {names.KUBE_TENANT: "a\n"},
        {names.KUBE_TENANT: "ä"},
        {names.KUBE_TENANT: "x" * 64},
        {"": "a"},
        {"a,b": "c"},
        {"!a": "b"},
        {"a/b/c": "d"},
    ],
    ids=str,
)
def test_a_selector_cannot_be_widened(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        names.label_selector(labels)

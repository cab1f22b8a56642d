"""Rules as text: complete, in one transaction, several installations side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from hubernate_machine import firewall
from hubernate_machine.firewall import (
    Fence,
    accepting,
    ensure_fence,
    name_servers,
    overtaken,
    remove_fence,
    restore_text,
    stands,
)

EMPTY = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j RETURN\nCOMMIT\n"
ONE = Fence("one", "172.17.0.1", (8081, 8082), ("10.0.0.2",))
TWO = Fence("two", "172.17.0.1", (8381, 8382))


def apply(saved: str, text: str) -> str:
    """What `iptables-save` says after `iptables-restore --noflush` of `text`, as far as our rules need it."""
    chains = {line.split()[0][1:]: [] for line in saved.splitlines() if line.startswith(":")}  # type: dict[str, list[str]]
    for line in saved.splitlines():
        if line.startswith("-A "):
            chains[line.split()[1]].append(line)
    for line in text.splitlines():
        words = line.split()
        if line.startswith(":"):
            chains[words[0][1:]] = []
        elif words[0] == "-A":
            chains[words[1]].append(line)
        elif words[0] == "-I":
            chains[words[1]].insert(0, " ".join(["-A", words[1], *words[3:]]))
        elif words[0] == "-D":
            chains[words[1]].remove(" ".join(["-A", *words[1:]]))
        elif words[0] == "-F":
            chains[words[1]] = []
        elif words[0] == "-X":
            assert chains.pop(words[1]) == []
    heads = [f":{name} - [0:0]" for name in chains]
    return "\n".join([*heads, *(rule for rules in chains.values() for rule in rules)])


def test_from_nothing_to_a_fence() -> None:
    assert not stands(EMPTY, ONE)
    after = apply(EMPTY, restore_text(EMPTY, ONE))
    assert stands(after, ONE)
    rules = [line for line in after.splitlines() if line.startswith("-A HUBERNATE ")]
    assert rules[-1] == "-A HUBERNATE -j DROP"
    assert any("--dport 8081" in rule for rule in rules)


def test_a_second_time_changes_nothing() -> None:
    once = apply(EMPTY, restore_text(EMPTY, ONE))
    assert apply(once, restore_text(once, ONE)) == once


def test_two_installations_and_each_leaves_alone() -> None:
    both = apply(EMPTY, restore_text(EMPTY, ONE))
    both = apply(both, restore_text(both, TWO))
    assert stands(both, ONE)
    assert stands(both, TWO)
    left = apply(both, restore_text(both, ONE, keep=False))
    assert stands(left, TWO)
    assert "hubernate:one" not in left
    gone = apply(left, restore_text(left, TWO, keep=False))
    assert "HUBERNATE" not in gone
    assert "-A DOCKER-USER -j RETURN" in gone


def test_a_bridge_or_port_that_changed_is_seen_and_let_through_alone() -> None:
    saved = apply(EMPTY, restore_text(EMPTY, ONE))
    for moved in (replace(ONE, bridge_address="172.30.0.1"), replace(ONE, ports=(9081, 9082))):
        assert not stands(saved, moved)
        after = apply(saved, restore_text(saved, moved))
        assert stands(after, moved)
        assert not stands(after, ONE), "what was open before is closed"


def test_iptables_leaves_quotes_out_where_it_likes() -> None:
    saved = apply(EMPTY, restore_text(EMPTY, ONE)).replace('"', "")
    assert stands(saved, ONE)
    assert restore_text(saved, ONE).count("hubernate:one") == len(accepting(ONE))


def test_metadata_and_other_tenants_are_closed() -> None:
    text = restore_text(EMPTY, ONE)
    for rule in ("-d 169.254.0.0/16 -j DROP", "-d 100.64.0.0/10 -j DROP", "-o hbn-+ -j DROP"):
        assert f"-A HUBERNATE-FWD {rule}" in text


def test_a_hole_is_seen() -> None:
    saved = apply(EMPTY, restore_text(EMPTY, ONE))
    for rule in (
        "-A HUBERNATE -j DROP",
        "-A INPUT -i hbn-+ -j HUBERNATE",
        "-A HUBERNATE-FWD -d 169.254.0.0/16 -j DROP",
    ):
        assert not stands(saved.replace(rule + "\n", ""), ONE), rule


@pytest.mark.parametrize("rule", ["-A INPUT -i hbn-+ -j HUBERNATE", "-A DOCKER-USER -i hbn-+ -j HUBERNATE-FWD"])
def test_another_program_before_the_fence_is_seen_and_overtaken(rule: str) -> None:
    stranger = f"{rule.split(' -i ')[0]} -j ACCEPT"
    both = apply(EMPTY, restore_text(EMPTY, ONE))
    both = apply(both, restore_text(both, TWO))
    late = both.replace(rule, f"{stranger}\n{rule}\n{rule}")
    assert not stands(late, ONE) and not stands(late, TWO)
    assert overtaken(late) == [stranger.split()[1]]
    healed = apply(late, restore_text(late, TWO))
    assert stands(healed, ONE) and stands(healed, TWO)
    assert healed.count(rule) == 1
    assert stranger in healed, "the other program's rule stays, behind ours"
    assert overtaken(healed) == [] and overtaken(EMPTY) == []


def test_another_versions_chain_may_stand_before() -> None:
    saved = apply(EMPTY, restore_text(EMPTY, ONE))
    rule = "-A INPUT -i hbn-+ -j HUBERNATE"
    assert stands(saved.replace(rule, f"{rule}-2\n{rule}"), ONE)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What `iptables` and `ip6tables` hold, changed as their commands would."""
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    found = {"iptables": EMPTY, "ip6tables": EMPTY}

    def run(client: object, image: str, command: list[str], text: str = "") -> str:
        table, verb = command[0].split("-")
        if verb == "restore":
            found[table] = apply(found[table], text)
        return found[table]

    monkeypatch.setattr(firewall, "_run", run)
    return found


def closing(table: str) -> list[int]:
    return [table.count(f"-A {hook} -i hbn-+ -j DROP") for hook in ("INPUT", "FORWARD")]


def test_ipv6_is_closed_also_when_ipv4_stands(tables: dict[str, str]) -> None:
    tables["iptables"] = apply(EMPTY, restore_text(EMPTY, ONE))
    for _ in range(2):
        assert not ensure_fence(None, "", ONE)  # type: ignore[arg-type]
        assert closing(tables["ip6tables"]) == [1, 1]


def test_ipv6_stays_closed_until_the_last_installation_goes(tables: dict[str, str]) -> None:
    stranger = "-A INPUT -i lo -j ACCEPT"
    tables["ip6tables"] = before = apply(EMPTY, f"{stranger}\n")
    for each in (ONE, TWO):
        ensure_fence(None, "", each)  # type: ignore[arg-type]
    remove_fence(None, "", ONE)  # type: ignore[arg-type]
    assert closing(tables["ip6tables"]) == [1, 1]
    for _ in range(2):
        remove_fence(None, "", TWO)  # type: ignore[arg-type]
        assert tables["ip6tables"] == before, "as it was before the first one, the other program's rule in it"
    assert "HUBERNATE" not in tables["iptables"]


def test_name_servers() -> None:
    text = "# x\nnameserver 10.0.0.2\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch example.org\nnameserver\n"
    assert name_servers(text) == ("10.0.0.2",)

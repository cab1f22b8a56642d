"""Sixty notebooks of two teams that are all stopped at once, on a real cluster: none lost, none stuck."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.at_work import TENANTS, come_back
from support.cluster_platform import Platform
from support.installation import wait_until
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(2400)]

STOPS = int(os.environ.get("HUBERNATE_TEST_STOPS", "60"))
"""A cluster with less room than for sixty small notebooks may be asked for fewer."""
_STARTS_AT_ONCE = 4
_CHANGE = "head -c 1000000 /dev/urandom > /opt/env/big.bin && date +%s%N > /opt/env/mark.txt && cat /opt/env/mark.txt"


def test_a_storm_of_stops_loses_nothing_and_ends(platform: Platform) -> None:
    root = platform.person(platform.accounts.admin)
    for team in ("research", "analytics"):
        root.api("PATCH", f"/tenants/{team}", json={"quota": {"servers": STOPS}}).raise_for_status()
    people = [platform.person(name) for name in ("ada", "linus")]
    notebooks = [each.at(f"storm-{number}") for number in range(STOPS // 2) for each in people]
    with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
        marks = list(pool.map(_begin, notebooks))
    with ThreadPoolExecutor(8) as pool:
        begun = time.monotonic()
        answers = list(pool.map(lambda each: each.ask("DELETE", each.server_path).status_code, notebooks))
    assert set(answers) <= {202, 204}, answers
    wait_until("all sleep", lambda: _awake(platform, people) == [], timeout_s=900)
    took = time.monotonic() - begun
    print(f"{len(notebooks)} stops in {took:.0f} s")
    assert all(each.checkpoints() for each in notebooks), "asleep without a checkpoint"
    for each, mark in list(zip(notebooks, marks, strict=True))[:: max(1, len(notebooks) // 4)]:
        come_back(each, mark)
        each.stop(wait_s=300)


def _begin(person: Person) -> str:
    person.start(tenant=TENANTS[person.name], profile="base", wait_s=600)
    return person.shell(_CHANGE).strip()


def _awake(platform: Platform, people: list[Person]) -> list[str]:
    """Servers that do not sleep, by the platform and by the cluster."""
    listed = [each for person in people for each in person.api("GET", "/servers?limit=200").json()["items"]]
    storm = {each["id"]: each for each in listed if each["name"].startswith("storm-")}
    pods = {each["metadata"]["labels"]["hubernate.io/server"] for each in platform.pods()}
    return [each["name"] for each in storm.values() if each["state"] != "asleep" or each["id"] in pods]

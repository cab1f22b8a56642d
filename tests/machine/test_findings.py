"""What the doctor concludes, and that every bad finding says what to do."""

from typing import Any

import pytest

from hubernate_machine import findings
from hubernate_machine.findings import GIB, Finding, Grade

ENGINE: dict[str, Any] = {
    "Driver": "overlay2",
    "ServerVersion": "20.10.24",
    "OperatingSystem": "Debian",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
}
ALL_CLOSED = {"hub": True, "service": True, "another port of this machine": False}


def bad(found: list[Finding]) -> list[str]:
    for each in found:
        assert each.grade is Grade.OK or each.todo, f"{each.what} says no next step"
    return [each.what for each in found if each.grade is Grade.WRONG]


def test_a_good_engine() -> None:
    assert bad(findings.judge_engine(ENGINE)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"Driver": "vfs"}, "storage"),
        ({"Driver": "btrfs"}, "storage"),
        ({"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, "storage"),
        ({"DriverStatus": [["Backing Filesystem", "xfs"], ["Supports d_type", "false"]]}, "storage"),
        ({"MemoryLimit": False}, "limits"),
    ],
    ids=["vfs", "btrfs", "containerd image store", "xfs without d_type", "no memory limit"],
)
def test_an_engine_that_will_not_do(change: dict[str, Any], what: str) -> None:
    assert bad(findings.judge_engine(ENGINE | change)) == [what]


@pytest.mark.parametrize(
    ("free", "grade"),
    [(GIB, Grade.WRONG), (5 * GIB, Grade.WARNING), (50 * GIB, Grade.OK), (0, Grade.WRONG)],
)
def test_room(free: int, grade: Grade) -> None:
    assert findings.judge_disk("disk", free, 100 * GIB).grade is grade


def test_a_program_that_crashes_is_named_with_its_log() -> None:
    (found,) = findings.judge_programs([("hub", "BACKOFF", "Exited too quickly"), ("proxy", "RUNNING", "")], "/s/log")
    assert (found.what, found.grade) == ("hub", Grade.WRONG)
    assert "/s/log/hub.log" in found.todo


def test_no_programs_at_all() -> None:
    assert bad(findings.judge_programs([], "/s/log")) == ["programs"]


def test_a_route_that_is_missing() -> None:
    assert "service" in findings.judge_routes({"/": {}}).says
    assert findings.judge_routes({"/": {}, "/services/hubernate": {}}).grade is Grade.OK
    assert findings.judge_routes(None).grade is Grade.WRONG


@pytest.mark.parametrize(
    ("stands", "reached", "expected"),
    [
        (True, ALL_CLOSED, []),
        (True, ALL_CLOSED | {"another port of this machine": True}, ["firewall"]),
        (True, ALL_CLOSED | {"hub": False}, ["firewall"]),
        (False, ALL_CLOSED, ["firewall"]),
    ],
    ids=["closed", "a hole", "too tight", "rules gone but nothing reached"],
)
def test_the_fence(stands: bool, reached: dict[str, bool], expected: list[str]) -> None:
    assert bad(findings.judge_fence(stands=stands, reached=reached)) == expected


def test_a_fence_behind_another_program() -> None:
    (found,) = findings.judge_fence(stands=False, reached={}, overtaken=["INPUT"])
    assert found.grade is Grade.WRONG
    assert "INPUT" in found.says and "hubernate up" in found.todo


def test_a_silent_agent() -> None:
    assert findings.judge_agent(3, 500, "look").grade is Grade.OK
    assert findings.judge_agent(300, 500, "look").grade is Grade.WRONG
    assert findings.judge_agent(None, 500, "look").grade is Grade.WRONG
    assert findings.judge_agent(None, 5, "look").grade is Grade.OK


def test_a_secret_that_others_can_read() -> None:
    found = findings.judge_private({"/s/a": 0o600, "/s/b": 0o640})
    assert found.grade is Grade.WRONG
    assert "/s/b" in found.says
    assert "/s/a" not in found.says


@pytest.mark.parametrize("skew", [-60.0, 60.0])
def test_clocks_apart(skew: float) -> None:
    assert findings.judge_clock(skew).grade is Grade.WRONG
    assert findings.judge_clock(skew / 100).grade is Grade.OK


def test_profiles() -> None:
    assert findings.judge_profiles({}).grade is Grade.WRONG
    assert findings.judge_profiles({"base": True, "spark": False}).grade is Grade.WRONG
    assert findings.judge_profiles({"base": True}).grade is Grade.OK

"""Who may read a secret's file."""

import os

import pytest

from hubernate_core.private import is_private


def held(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "private"),
    [
        (0o400, 1000, 1000, True),
        (0o600, 1000, 1000, True),
        (0o440, 0, 1000, True),  # a Secret in a pod: root's, lent to the pod's group
        (0o440, 0, 5, False),  # another group's
        (0o440, 1000, 1000, False),  # not root's: whoever is in the group was not chosen by the kubelet
        (0o640, 0, 1000, True),
        (0o444, 0, 1000, False),
        (0o460, 0, 1000, False),
        (0o604, 1000, 1000, False),
    ],
)
def test_a_secret_is_read_by_nobody_else(mode: int, owner: int, group: int, private: bool) -> None:
    assert is_private(held(mode, owner, group), 1000, {1000}) is private


def test_root_needs_no_group() -> None:
    assert is_private(held(0o400, 0, 0), 0, {0})
    assert not is_private(held(0o440, 0, 0), 0, {0})

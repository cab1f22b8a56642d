"""Credentials at rest: sealed, bound to their source, and put under a new key without a gap."""

import json
import stat
from pathlib import Path

import pytest

from hubernate_core.errors import Broken
from hubernate_hub.data.cipher import Cipher

VALUES = {"password": "planted-canary"}


def test_what_is_sealed_opens_for_its_owner_only(tmp_path: Path) -> None:
    cipher = Cipher(tmp_path / "secrets" / "data-keys")
    sealed = cipher.seal(VALUES, "source a/b")
    assert "canary" not in json.dumps(sealed) and cipher.seal(VALUES, "source a/b") != sealed
    assert cipher.open(sealed, "source a/b") == VALUES
    assert Cipher(tmp_path / "secrets" / "data-keys").open(sealed, "source a/b") == VALUES, "after a restart"
    with pytest.raises(Broken, match="belongs to another source"):
        cipher.open(sealed, "source a/c")
    for field in ("wrapped", "sealed"):
        forged = sealed | {field: sealed[field][:-6] + "AAAAA="}
        with pytest.raises(Broken):
            cipher.open(forged, "source a/b")


def test_keys_are_private_and_are_changed_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "data-keys"
    cipher = Cipher(path)
    sealed = cipher.seal(VALUES, "s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cipher.add_key()
    assert cipher.open(sealed, "s") == VALUES, "what is under the old key opens until it is dropped"
    again = cipher.wrap_again(sealed, "s")
    assert again["sealed"] == sealed["sealed"] and again["key"] != sealed["key"]
    cipher.drop_others()
    assert Cipher(path).open(again, "s") == VALUES
    with pytest.raises(Broken, match="restore that file"):
        Cipher(path).open(sealed, "s")


def test_a_file_that_others_read_or_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data-keys"
    Cipher(path).seal(VALUES, "s")
    path.chmod(0o644)
    with pytest.raises(Broken, match="chmod"):
        Cipher(path).seal(VALUES, "s")
    path.chmod(0o600)
    path.write_text("{}")
    with pytest.raises(Broken, match="damaged"):
        Cipher(path).seal(VALUES, "s")

"""The keys of sources' credentials in the Secret: what the cipher opens, added and forgotten without a gap."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.errors import Broken, Conflict, NotFound
from hubernate_hub.data.cipher import Cipher
from hubernate_machine.kubernetes.data_keys import change_keys, make_keys, only_current
from hubernate_machine.kubernetes.secrets import missing

VALUES = {"password": "planted-canary"}


class Kubectl:
    """One Secret."""

    namespace = "hubernate"

    def __init__(self, data: dict[str, str]) -> None:
        self.data, self.versions = data, ["7"]

    def get(self, kind: str, name: str) -> dict[str, Any]:
        assert (kind, name) == ("secret", "platform-secrets")
        return {"metadata": {"resourceVersion": self.versions[-1]}, "data": self.data}

    def merge(self, kind: str, name: str, change: dict[str, Any]) -> None:
        assert change["metadata"]["resourceVersion"] == self.versions[-1]
        self.data |= change["data"]

    def text(self) -> str:
        return base64.b64decode(self.data["data-keys"]).decode()


def test_a_key_is_made_added_and_forgotten_and_the_service_follows(tmp_path: Path) -> None:
    path = tmp_path / "data-keys"

    def mount(text: str) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_text(text)
        fresh.chmod(0o400)
        fresh.rename(path)

    kubectl = Kubectl({"data-keys": base64.b64encode(missing({})["data-keys"].encode()).decode()})
    mount(kubectl.text())
    cipher = Cipher(path)
    sealed = cipher.seal(VALUES, "s")
    assert change_keys(kubectl, "platform-secrets", make_keys) == 2  # type: ignore[arg-type]
    mount(kubectl.text())
    assert cipher.open(sealed, "s") == VALUES and cipher.current != sealed["key"], "seen without a restart"
    again = cipher.wrap_again(sealed, "s")
    with pytest.raises(Conflict, match="under another"):
        change_keys(kubectl, "platform-secrets", lambda text: only_current(text, sealed["key"]))  # type: ignore[arg-type]
    kept = change_keys(kubectl, "platform-secrets", lambda text: only_current(text, again["key"]))  # type: ignore[arg-type]
    assert kept == 1
    mount(kubectl.text())
    assert cipher.open(again, "s") == VALUES
    with pytest.raises(Broken, match="restore"):
        cipher.open(sealed, "s")


def test_what_is_missing_or_damaged_is_left_alone() -> None:
    with pytest.raises(NotFound, match="kubernetes secrets"):
        change_keys(Kubectl({}), "platform-secrets", make_keys)  # type: ignore[arg-type]
    for text in ("", "x", "[]", json.dumps({"current": "a", "keys": {}})):
        with pytest.raises(Broken):
            only_current(text, "a")

"""`hubernate backup` and `restore`: what is in the file, what is only told, what is never overwritten."""

import json
import tarfile
from pathlib import Path

import pytest

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_machine.backup import DATABASE, _service, backup, restore
from hubernate_machine.layout import Layout, ensure_folders, ensure_secrets, write

PORTS = {"public": 8000, "proxy_api": 8001, "hub": 8081, "service": 8082, "registry": 5000}


def platform(folder: Path) -> Layout:
    """A state folder as `up` leaves it, with a database that the service has made."""
    layout = Layout(folder)
    ensure_folders(layout)
    ensure_secrets(layout)
    known = {"instance": "t", "node": "local", "bridge_address": "127.0.0.1", "public_url": "http://x", "ports": PORTS}
    write(layout.platform, json.dumps(known | {"images": {"gate": "gate@sha256:" + "a" * 64}}))
    write(layout.secret("signing-key"), "the signing key", 0o600)
    write(layout.accounts, "the passwords", 0o600)
    _service(layout, "--restored")  # makes the database
    return layout


def test_a_backup_holds_no_key_unless_asked_and_says_what_else_to_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = platform(tmp_path / "state")
    backup(layout, tmp_path / "plain", keys=False)
    told = capsys.readouterr().out.replace("\n", "")
    with tarfile.open(tmp_path / "plain") as archive:
        assert set(archive.getnames()) == {DATABASE, "platform.json"}
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o600
    for what in ("signing-key", "accounts.json", "registry", "INSTANCE-home-"):
        assert what in told
    with pytest.raises(Conflict, match="already"):
        backup(layout, tmp_path / "plain", keys=False)
    backup(layout, tmp_path / "with-keys", keys=True)
    with tarfile.open(tmp_path / "with-keys") as archive:
        assert {"secrets/signing-key", "accounts.json"} <= set(archive.getnames())


def test_a_restore_puts_back_what_is_missing_and_overwrites_no_setting(tmp_path: Path) -> None:
    layout = platform(tmp_path / "state")
    backup(layout, tmp_path / "copy", keys=True)
    layout.secret("signing-key").unlink()
    write(layout.accounts, "changed since", 0o600)
    restore(layout, tmp_path / "copy")
    assert layout.secret("signing-key").read_text() == "the signing key"
    assert layout.secret("signing-key").stat().st_mode & 0o777 == 0o600
    assert layout.accounts.read_text() == "changed since"
    assert list(layout.folder("service").glob("hubernate.sqlite.before-*"))
    write(tmp_path / "other", "no archive")
    with pytest.raises(InvalidInput, match="nothing was changed"):
        restore(layout, tmp_path / "other")

"""`hubernate backup` and `restore`: what is in the file, what is only told, what is never overwritten."""

import errno
import json
import tarfile
from pathlib import Path

import pytest

from hubernate_core.errors import Conflict, InvalidInput, Unavailable
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


def test_what_is_no_whole_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    layout = platform(tmp_path / "state")
    backup(layout, tmp_path / "copy", keys=True)
    whole = (tmp_path / "copy").read_bytes()
    layout.secret("signing-key").unlink()
    middle = len(whole) // 2
    wrong_sum = whole[:-8] + bytes(4) + whole[-4:]  # as bits that flipped on the way are noticed
    for content in (b"no archive", whole[:middle], whole[:middle] + b"\xff" * 40 + whole[middle + 40 :], wrong_sum):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(InvalidInput, match="nothing was changed"):
            restore(layout, tmp_path / "other")
    assert not layout.secret("signing-key").exists()
    assert not list(layout.folder("service").glob("hubernate.sqlite.before-*"))


def test_a_backup_that_breaks_off_leaves_nothing_that_looks_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = platform(tmp_path / "state")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tarfile.TarFile.add", full)
        with pytest.raises(Unavailable, match="No space left on device"):
            backup(layout, tmp_path / "copy", keys=False)
    assert list(tmp_path.glob("copy*")) == []
    (tmp_path / "copy.part").write_bytes(b"of one that was killed")
    backup(layout, tmp_path / "copy", keys=False)
    assert [each.name for each in tmp_path.glob("copy*")] == ["copy"]

"""Files of the state folder: private before their first byte, whole or not at all, never made anew."""

import stat
from pathlib import Path

import pytest

from hubernate_core.errors import Broken
from hubernate_machine.accounts import ensure_accounts
from hubernate_machine.layout import Layout, ensure_folders, ensure_secrets, read_platform, write


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    ensure_folders(made)
    return made


def test_folders_and_secrets_are_private(layout: Layout) -> None:
    ensure_secrets(layout)
    assert mode(layout.root) == 0o700
    secrets = list(layout.folder("secrets").iterdir())
    assert secrets
    assert {mode(path) for path in secrets} == {0o600}
    assert len({path.read_text() for path in secrets}) == len(secrets)


def test_secrets_stay_what_they_are(layout: Layout) -> None:
    ensure_secrets(layout)
    before = layout.secret("proxy-token").read_text()
    ensure_secrets(layout)
    assert layout.secret("proxy-token").read_text() == before


def test_accounts_are_made_once_and_private(layout: Layout) -> None:
    made, fresh = ensure_accounts(layout)
    again, fresh_again = ensure_accounts(layout)
    assert (fresh, fresh_again) == (True, False)
    assert again == made
    assert mode(layout.accounts) == 0o600
    assert made.admin not in made.users
    assert len({tenant for tenants in made.users.values() for tenant in tenants}) == 2


def test_loosened_accounts_are_tightened(layout: Layout) -> None:
    ensure_accounts(layout)
    layout.accounts.chmod(0o644)
    ensure_accounts(layout)
    assert mode(layout.accounts) == 0o600


def test_writing_the_same_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert write(path, "a", 0o600)
    before = path.stat().st_ino
    assert not write(path, "a", 0o600)
    assert path.stat().st_ino == before
    assert write(path, "b", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_broken_file_is_named_and_kept(layout: Layout) -> None:
    layout.platform.write_text('{"instance": "x"')
    with pytest.raises(Broken, match=r"platform\.json"):
        read_platform(layout)
    assert layout.platform.read_text() == '{"instance": "x"'

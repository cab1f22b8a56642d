"""A mistake in the hub's configuration stops it at once and is told with file and line (B34)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubernate_core.errors import Broken, InvalidInput
from hubernate_spawner.installation import read_accounts, read_installation
from hubernate_spawner.site_config import load_parts

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("c.Spawner.start_timeout = 'long'", "90-site.py:3: c.Spawner.start_timeout: 'long' is no value"),
        ("c.TenantDockerSpawner.gate_memory_mb = None", "90-site.py:3: c.TenantDockerSpawner.gate_memory_mb"),
        ("c.TenantDockerSpawner.instanse = 'x'", "90-site.py:3: .*no such option; did you mean 'instance'"),
        ("c.TenantDockerSpawnr.instance = 'x'", "90-site.py:3: .*did you mean 'TenantDockerSpawner'"),
        ("c.JupyterHub.port = [", "90-site.py:[34]: SyntaxError"),
        ("1 / 0", "90-site.py:3: ZeroDivisionError"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "10-good.py").write_text("c = get_config()\nc.Spawner.start_timeout = 600\n")
    (tmp_path / "90-site.py").write_text(f"c = get_config()\n\n{text}\n")
    with pytest.raises(InvalidInput, match=said):
        load_parts(tmp_path)


def test_later_files_win_and_lists_may_be_appended_to(tmp_path: Path) -> None:
    (tmp_path / "20-b.py").write_text("c = get_config()\nc.Spawner.start_timeout = 2\nc.Spawner.args.append('x')\n")
    (tmp_path / "10-a.py").write_text("c = get_config()\nc.Spawner.start_timeout = 1\nc.Gate.anything = 1\n")
    config = load_parts(tmp_path)
    assert config.Spawner.start_timeout == 2
    assert config.Gate.anything == 1


def test_the_hub_does_not_start_with_a_mistake(tmp_path: Path) -> None:
    parts = tmp_path / "jupyterhub_config.d"
    parts.mkdir()
    (tmp_path / "jupyterhub_config.py").write_text((ROOT / "config/jupyterhub_config.py").read_text())
    (parts / "90-site.py").write_text("c = get_config()\nc.JupyterHub.active_server_limit = 'many'\n")
    ended = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", str(tmp_path / "jupyterhub_config.py")],
        cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "90-site.py:2: c.JupyterHub.active_server_limit" in ended.stderr


def test_state_that_is_missing_or_open_to_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="HUBERNATE_STATE is not set"):
        read_installation({})
    with pytest.raises(Broken, match=r"platform\.json"):
        read_installation({"HUBERNATE_STATE": str(tmp_path)})
    accounts = tmp_path / "accounts.json"
    accounts.write_text('{"user_password": "very-secret-one", "admin": 1}')
    accounts.chmod(0o644)
    with pytest.raises(Broken, match="chmod 600"):
        read_accounts(accounts)
    accounts.chmod(0o600)
    with pytest.raises(Broken) as refused:
        read_accounts(accounts)
    assert "very-secret-one" not in refused.value.message

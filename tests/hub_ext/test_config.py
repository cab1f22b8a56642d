"""Settings files: what is wrong is said before anything starts (B34)."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.platform_service import write_state


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c.HubernateService.state_dirr = 'x'", "no such setting"),
        ("c.HubernateService.port = 'x'", "port"),
        ("c.HubernateService.instance = 'Not Valid'", "instance"),
        ("c.HubernateService.nonsense(", "SyntaxError"),
        ("c.HubernateService.hub_token_file = '/nowhere'", "cannot read the token"),
        ("c.HubernateService.profiles_file = '/nowhere'", "/nowhere"),
    ],
)
def test_a_wrong_setting_ends_the_start(tmp_path: Path, line: str, told: str) -> None:
    write_state(tmp_path)
    file = tmp_path / "config.py"
    file.write_text(f"c = get_config()\nc.HubernateService.state_dir = {str(tmp_path)!r}\n{line}\n")
    command = [sys.executable, "-m", "hubernate_hub.app", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signing_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path)
    key = tmp_path / "secrets" / "signing-key"
    key.write_text("x")
    key.chmod(0o644)
    file = tmp_path / "config.py"
    file.write_text(f"c = get_config()\nc.HubernateService.state_dir = {str(tmp_path)!r}\n")
    command = [sys.executable, "-m", "hubernate_hub.app", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "chmod 0600" in done.stderr

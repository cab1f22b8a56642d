"""Which kubectl renders the overlays in the tests, and what is said where none will do."""

from pathlib import Path

import pytest

from support.overlays import find_kubectl


def program(folder: Path, script: str) -> Path:
    folder.mkdir(parents=True)
    made = folder / "kubectl"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


def version(text: str) -> str:
    return f"""echo '{{"clientVersion": {{"gitVersion": "{text}"}}}}'"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`path` is the PATH, and `bin` is beside the kubeconfig."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "admin.conf"))
    return tmp_path


@pytest.mark.parametrize("said", ["v1.30.0", "v1.36.4", "v1.32.4-dispatcher", "v2.0.0"])
def test_a_new_one_will_do(folder: Path, said: str) -> None:
    new = program(folder / "path", version(said))
    assert find_kubectl() == (str(new), "")


def test_an_old_one_will_not_and_the_one_beside_the_kubeconfig_is_taken(folder: Path) -> None:
    old = program(folder / "path", version("v1.29.15"))
    found, why = find_kubectl()
    assert found is None and f"{old} is version 1.29, and 1.30 is the oldest that will do" in why
    beside = program(folder / "bin", version("v1.31.0"))
    assert find_kubectl() == (str(beside), "")


@pytest.mark.parametrize(
    ("script", "told"),
    [("", "kubectl is not on the PATH"), ("echo no such flag >&2; exit 1", "did not tell its version (no such flag)")],
)
def test_what_is_missing_or_broken_is_told_with_what_was_not_checked(folder: Path, script: str, told: str) -> None:
    if script:
        program(folder / "path", script)
    found, why = find_kubectl()
    assert found is None and told in why and "nothing checked them" in why

"""The rules of the house, checked by machine: imports, style, types, file sizes, package roots, documentation."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
CODE = ("core", "hub_ext", "spawner", "checkpointer", "gate", "server_ext", "machine")


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"], ["mypy"]],
    ids=["ruff", "format", "imports", "types"],
)
def test_a_checker_finds_nothing(command: list[str]) -> None:
    done = subprocess.run([TOOLS / command[0], *command[1:]], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_files_stay_within_one_concern() -> None:
    sizes = {
        path.relative_to(ROOT): len(path.read_text().splitlines())
        for folder in CODE
        for path in tracked(f"{folder}/**/*.py")
        if "migrations" not in path.parts
    }
    assert sizes, "the listing works"
    assert {path: size for path, size in sizes.items() if size > 300} == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = re.compile(r"^(utils?|helpers?|common|misc|manager)$")
    assert [path for path in tracked("*.py") if empty.match(path.stem)] == []


def test_package_roots_hold_a_docstring_only() -> None:
    allowed = {"hubernate_server", "hubernate"}
    for folder in CODE:
        for path in tracked(f"{folder}/*/__init__.py"):
            if allowed.isdisjoint(path.parts):
                assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body), path


def test_reference_pages_are_as_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_says_what_it_is() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import reference

    silent = [
        f"{each.__name__}.{name}"
        for each in reference.trait_classes()
        for name, trait in each.class_own_traits(config=True).items()
        if len(trait.help) < 15
    ]
    assert silent == []


def test_every_environment_variable_is_documented() -> None:
    page = (ROOT / "docs/reference/environment.md").read_text()
    text = "".join(
        path.read_text() for folder in ("machine", "images", "server_ext", "gate") for path in tracked(f"{folder}/**")
        if path.suffix in ("", ".py") and path.is_file()
    ) + (ROOT / "bootstrap").read_text()  # fmt: skip
    named = set(re.findall(r"\bHUBERNATE_[A-Z]+(?:_[A-Z]+)*\b", text))
    assert {name for name in named if f"`{name}`" not in page} == set()


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in tracked("*.md")
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_names_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make up" in readme and "make test" in readme

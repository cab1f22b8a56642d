"""Images are built anew exactly when what they are made of changed."""

import shutil
from pathlib import Path

import pytest

from hubernate_machine.images.recipe import RECIPES, Entry, content_hash, context, in_order, tag
from hubernate_machine.settings import project_root


def test_parents_come_first_and_once() -> None:
    assert [recipe.name for recipe in in_order(("spark", "torch", "gate"))] == [
        "debian", "base", "spark", "torch", "gate",
    ]  # fmt: skip


def test_the_hash_is_of_content_alone(tmp_path: Path) -> None:
    files = {"a": Entry(b"1"), "b": Entry(b"2")}
    assert content_hash(files, "p") == content_hash(dict(reversed(files.items())), "p")


@pytest.mark.parametrize(
    ("files", "parent"),
    [
        ({"a": Entry(b"12"), "b": Entry(b"")}, "p"),
        ({"a": Entry(b"1"), "c": Entry(b"2")}, "p"),
        ({"a": Entry(b"1", executable=True), "b": Entry(b"2")}, "p"),
        ({"a": Entry(b"1"), "b": Entry(b"2")}, "q"),
    ],
    ids=["bytes moved", "name", "mode", "parent"],
)
def test_any_change_changes_the_hash(files: dict[str, Entry], parent: str) -> None:
    assert content_hash(files, parent) != content_hash({"a": Entry(b"1"), "b": Entry(b"2")}, "p")


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_finds_its_files(name: str) -> None:
    files = context(RECIPES[name], project_root())
    assert "Dockerfile" in files
    assert not [path for path in files if path.endswith(".pyc")]


def test_a_change_of_the_gate_leaves_the_other_images_alone(tmp_path: Path) -> None:
    project = project_root()
    copy = tmp_path / "clone"
    for folder in (
        "images",
        "requirements",
        "config",
        "tools/proxy",
        "core",
        "gate",
        "checkpointer",
        "server_ext",
        "spawner",
        "hub_ext",
    ):
        shutil.copytree(project / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "pyproject.toml", copy)
    before = {name: content_hash(context(RECIPES[name], copy), "") for name in RECIPES}
    with (copy / "gate/hubernate_gate/app.py").open("a") as file:
        file.write("\n# changed\n")
    after = {name: content_hash(context(RECIPES[name], copy), "") for name in RECIPES}
    assert {name for name in RECIPES if before[name] != after[name]} == {"gate"}


def test_no_context_holds_what_belongs_to_this_machine() -> None:
    for recipe in RECIPES.values():
        assert not [path for path in context(recipe, project_root()) if path.startswith("mirrors/")]


def test_a_tag_names_its_content() -> None:
    assert tag("base", "0123456789abcdef" * 4) == "hubernate/base:0123456789abcdef"

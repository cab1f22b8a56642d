"""What each image is made of, and the content hash that says whether it must be built anew. No engine here."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubernate_core.names import LABEL_PREFIX

ROOT = "root"
ROOT_TAG = "hubernate/root:bookworm"
CONTENT_LABEL = f"{LABEL_PREFIX}.content"


@dataclass(frozen=True)
class Entry:
    """One file of a build context."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True)
class Recipe:
    """How one image is made: `images/NAME/Dockerfile` and what its context holds.

    `sources` are import packages that land in `site/`; `data` maps files and folders of the project to the context.
    What is in `sdk/` goes into the user's environment.
    """

    name: str
    parent: str
    locks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    needs_torch: bool = False


_LABEXTENSION = tuple(
    (f"server_ext/labextension/{name}", f"labextension/{name}")  # and nothing that a build in the clone left there
    for name in ("src", "style", "package.json", "package-lock.json", "tsconfig.json", ".npmrc")
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("debian", ROOT),
        Recipe("gate", "debian", ("gate.txt",), ("core/hubernate_core", "gate/hubernate_gate")),
        Recipe(
            "agent",
            "debian",
            ("agent.txt",),
            ("core/hubernate_core", "checkpointer/hubernate_checkpointer"),
            (("config/hubernate_agent_config.py", "config/hubernate_agent_config.py"),),
        ),
        Recipe(
            "hub",
            "debian",
            ("hub.txt", "proxy.txt"),
            ("core/hubernate_core", "spawner/hubernate_spawner"),
            (
                ("config/jupyterhub_config.py", "config/jupyterhub_config.py"),
                ("config/jupyterhub_config.d", "config/jupyterhub_config.d"),
                ("config/templates", "config/templates"),
                ("tools/proxy", "proxy"),
            ),
        ),
        Recipe(
            "service",
            "debian",
            ("service.txt",),
            ("core/hubernate_core", "hub_ext/hubernate_hub"),
            (
                ("config/hubernate_service_config.py", "config/hubernate_service_config.py"),
                ("images/hub/state-folder", "state-folder"),
            ),
        ),
        Recipe(
            "base",
            "debian",
            ("lab.txt", "env-base.txt", "proxy.txt"),  # of the last, Node: it builds the JupyterLab extension
            ("core/hubernate_core", "server_ext/hubernate_server", "server_ext/hubernate"),
            (
                *_LABEXTENSION,
                ("server_ext/jupyter-config", "etc/jupyter"),
                ("core/hubernate_core", "sdk/hubernate_core"),
                ("server_ext/hubernate", "sdk/hubernate"),
            ),
        ),
        Recipe("spark", "base", ("env-spark.txt",)),
        Recipe("torch", "base", ("env-torch.txt",), needs_torch=True),
    )
}


def in_order(wanted: tuple[str, ...]) -> tuple[Recipe, ...]:
    """The recipes of `wanted` and of everything they stand on, parents first."""
    chosen: list[Recipe] = []
    for name in wanted:
        line: list[Recipe] = []
        while name != ROOT:
            line.append(RECIPES[name])
            name = RECIPES[name].parent
        chosen += [recipe for recipe in reversed(line) if recipe not in chosen]
    return tuple(chosen)


def context(recipe: Recipe, project: Path) -> dict[str, Entry]:
    """Every file of the recipe's build context by its path there, without what belongs to this machine alone.

    Raises:
        FileNotFoundError: the clone is not complete.
    """
    files = _folder(project / "images" / recipe.name, "") | _folder(project / "images" / "build", "build")
    files |= {f"requirements/{name}": Entry((project / "requirements" / name).read_bytes()) for name in recipe.locks}
    for source in recipe.sources:
        files |= _folder(project / source, f"site/{Path(source).name}")
    for source, target in recipe.data:
        files |= _file(project / source, target) if (project / source).is_file() else _folder(project / source, target)
    for place in ("site", "sdk"):
        if any(name.startswith(f"{place}/") for name in files):
            files |= _metadata(project, place)
    return files


def _folder(folder: Path, target: str) -> dict[str, Entry]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not there: this clone is not complete")
    return {
        name: entry
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
        for name, entry in _file(path, f"{target}/{path.relative_to(folder).as_posix()}".lstrip("/")).items()
    }


def _file(path: Path, target: str) -> dict[str, Entry]:
    return {target: Entry(path.read_bytes(), bool(path.stat().st_mode & 0o100))}


def _metadata(project: Path, place: str) -> dict[str, Entry]:
    """Name, version and what fsspec looks up where `importlib.metadata` finds them: an image holds parts of our one
    distribution."""
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    folder = f"{place}/{about['name']}-{about['version']}.dist-info"
    text = f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    files = {f"{folder}/METADATA": Entry(text.encode()), f"{folder}/INSTALLER": Entry(b"hubernate\n")}
    if place == "sdk":
        schemes = about["entry-points"]["fsspec.specs"]
        lines = ["[fsspec.specs]", *(f"{name} = {target}" for name, target in schemes.items())]
        files[f"{folder}/entry_points.txt"] = Entry(("\n".join(lines) + "\n").encode())
    return files


def content_hash(files: Mapping[str, Entry], parent: str) -> str:
    """64 hexadecimal digits of names, modes and bytes of `files` and of the parent's content; never of a time."""
    digest = hashlib.sha256(f"parent {parent}\n".encode())
    for name in sorted(files):
        entry = files[name]
        digest.update(f"{name}\0{entry.executable:d}\0{len(entry.data)}\0".encode())
        digest.update(entry.data)
    return digest.hexdigest()


def tag(name: str, content: str) -> str:
    """The engine's name of an image with this content; the same for every installation on the machine."""
    return f"hubernate/{name}:{content[:16]}"

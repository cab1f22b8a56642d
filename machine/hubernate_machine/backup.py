"""`hubernate backup` and `restore`: the platform's database and settings in one file; keys only when asked."""

import gzip
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from hubernate_core.errors import Conflict, InvalidInput, Unavailable, shorten

from .console import out
from .layout import Layout
from .settings import project_root

DATABASE = "hubernate.sqlite"
_CHUNK = 1024 * 1024
SETTINGS = ("platform.json", "profiles.json", "tenants.json", "hub.py", "service.py")
KEYS = ("secrets/signing-key", "secrets/data-keys", "secrets/hub-crypt-key", "accounts.json", "oauth.json")
_WHY = {
    "secrets/signing-key": "without it no checkpoint can be resumed",
    "secrets/data-keys": "without them the credentials of teams' sources cannot be read",
    "secrets/hub-crypt-key": "without it people log in again",
    "accounts.json": "the embedded accounts and their passwords",
    "oauth.json": "the identity provider's client and its secret",
}


def backup(layout: Layout, target: Path, *, keys: bool) -> None:
    """Write the database, as it is at one moment, and the settings to `target`, 0600; the platform may be running.

    Raises:
        Conflict: `target` is there.  Unavailable: it was not copied or written; nothing is left of it.
    """
    if target.exists():
        raise Conflict(f"{target} is there already; nothing was written. Choose another name")
    with tempfile.TemporaryDirectory(dir=layout.root) as folder:
        copy = Path(folder) / DATABASE
        _service(layout, "--backup", str(copy))
        kept = [each for each in (*SETTINGS, *(KEYS if keys else ())) if (layout.root / each).is_file()]
        _pack(target, {DATABASE: copy} | {name: layout.root / name for name in kept})
    out.print(f"{target}: the platform's database, and {', '.join(kept)}.")
    _tell_what_else(layout, keys=keys)


def _pack(target: Path, files: dict[str, Path]) -> None:
    """Write an archive, 0600, that has its name only once it is whole on the disk."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, path in files.items():
                    archive.add(path, name)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    except OSError as problem:
        part.unlink(missing_ok=True)
        raise Unavailable(f"{target} cannot be written ({problem}); nothing is left of it") from problem


def _tell_what_else(layout: Layout, *, keys: bool) -> None:
    out.print("Not in it; keep these too:")
    for name in () if keys else KEYS:
        if (layout.root / name).is_file():
            out.print(f"  {layout.root / name}: {_WHY[name]}. Somewhere else than the backup, or use --keys")
    out.print(f"  {layout.folder('registry')}: the saved environments; copy it after the database, never before")
    out.print("  the engine's volumes INSTANCE-home-…: people's files")
    out.print(f"  {layout.folder('hub')}: JupyterHub's database; without it people log in again and make new tokens")


def restore(layout: Layout, source: Path) -> None:
    """Put a backup back while the platform is down. The present database is kept beside; settings and keys that are
    there stay as they are.

    Raises:
        InvalidInput: `source` is no backup; nothing was changed.  Unavailable: the service runs, or refused it.
    """
    with tempfile.TemporaryDirectory(dir=layout.root) as folder:
        _unpack(source, Path(folder))
        for name in (*SETTINGS, *KEYS):
            fresh, there = Path(folder) / name, layout.root / name
            if fresh.is_file() and not there.exists():
                fresh.chmod(0o600 if name in KEYS else 0o644)
                fresh.rename(there)
                out.print(f"{there} was missing and is from the backup.")
        out.print(_service(layout, "--restore", str(Path(folder) / DATABASE)).strip())
    out.print("Start the platform by `hubernate up`; `hubernate doctor` and the admin page show what does not fit.")


def _unpack(source: Path, folder: Path) -> None:
    try:
        with gzip.open(source) as whole:  # its checksum is at its end, and tarfile does not read so far
            while whole.read(_CHUNK):
                pass
        with tarfile.open(source, "r:gz") as archive:
            members = {each.name: each for each in archive.getmembers() if each.isfile()}
            if DATABASE not in members:
                raise InvalidInput(str(source), f"there is no {DATABASE} in it: it is no backup of this platform")
            for name in (DATABASE, *SETTINGS, *KEYS):
                if name in members:
                    archive.extract(members[name], folder, filter="data")
    except (OSError, EOFError, zlib.error, tarfile.TarError) as problem:
        raise InvalidInput(str(source), f"it cannot be read as a backup ({problem}); nothing was changed") from problem


def _service(layout: Layout, *arguments: str) -> str:
    program = Path(sys.executable).with_name("hubernate-service")
    config = project_root() / "config/hubernate_service_config.py"
    ended = subprocess.run(
        [str(program), "--config", str(config), *arguments],
        env=os.environ | {"HUBERNATE_STATE": str(layout.root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise Unavailable(shorten(ended.stderr.strip().rpartition("\n")[2], 600))
    return ended.stdout

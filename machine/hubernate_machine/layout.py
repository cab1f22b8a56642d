"""Where things lie in the state folder, and how its files are written: whole or not at all, private from the start."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hubernate_core.errors import Broken, Conflict, shorten
from hubernate_core.platform_file import Accounts, Platform

NODE = "local"
FOLDERS = ("secrets", "hub", "service", "agent", "registry", "log", "run")
SECRETS = {
    "hub-cookie": 32,
    "hub-crypt-key": 32,
    "proxy-token": 32,
    "service-token": 32,
    "spawner-token": 32,
    f"agent-{NODE}-token": 32,
    "registry-upload": 32,
}
"""Name → random bytes, written as hexadecimal digits. The service makes its signing key itself."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Layout:
    """Paths in one state folder."""

    root: Path

    @property
    def platform(self) -> Path:
        """`platform.json`."""
        return self.root / "platform.json"

    @property
    def profiles(self) -> Path:
        """`profiles.json`."""
        return self.root / "profiles.json"

    @property
    def tenants(self) -> Path:
        """`tenants.json`."""
        return self.root / "tenants.json"

    @property
    def accounts(self) -> Path:
        """`accounts.json`, 0600."""
        return self.root / "accounts.json"

    def secret(self, name: str) -> Path:
        """One secret's file, 0600."""
        return self.root / "secrets" / name

    def folder(self, name: str) -> Path:
        """One of `FOLDERS`."""
        return self.root / name


def ensure_folders(layout: Layout) -> None:
    """Make the state folder and its parts, 0700."""
    for path in (layout.root, *(layout.folder(name) for name in FOLDERS)):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(0o700)


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Only one command at a time changes a platform; the kernel lets go of the lock when the command ends, however.

    Raises:
        Conflict: another one is at it.
    """
    with (layout.folder("run") / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise Conflict(
                f"Another `hubernate` command is changing the platform in {layout.root}. This one changed "
                "nothing; run it again when the other one has ended."
            ) from problem
        yield


def ensure_secrets(layout: Layout) -> None:
    """Make the secrets that are missing; those that are there stay as they are."""
    for name, size in SECRETS.items():
        path = layout.secret(name)
        if not path.exists():
            write(path, secrets.token_hex(size) + "\n", 0o600)


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Make `path` hold `text`: no reader ever sees half of it, and its mode is right before the first byte.

    Returns:
        whether anything changed.
    """
    if path.is_file() and path.read_text() == text:
        if path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)
        return False
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return True


def write_json(path: Path, data: Any, mode: int = 0o644) -> bool:
    """`write` for plain data or a model."""
    plain = data.model_dump(mode="json") if isinstance(data, BaseModel) else data
    return write(path, json.dumps(plain, indent=2, ensure_ascii=False) + "\n", mode)


def read_platform(layout: Layout) -> Platform | None:
    """What an earlier `up` wrote, or None before the first.

    Raises:
        Broken: the file is not what `up` writes.
    """
    return _read(layout.platform, Platform)


def read_accounts(layout: Layout) -> Accounts | None:
    """The embedded accounts, or None before the first `up`.

    Raises:
        Broken: the file is not what `up` writes.
    """
    return _read(layout.accounts, Accounts)


def _read(path: Path, model: type[Model]) -> Model | None:
    if not path.is_file():
        return None
    try:
        return model.model_validate_json(path.read_text())
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Broken(
            f"{path} cannot be read ({where}: {shorten(first['msg'], 120)}). Nothing was changed. Correct the file, or "
            "move it away and run `hubernate up` to have it written anew."
        ) from problem

"""What the hub reads of the state folder: ``platform.json``, secrets and accounts. Used by its configuration files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from hubernate_core.errors import Broken, shorten
from hubernate_core.platform_file import Accounts, Platform
from hubernate_core.private import is_private

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Installation:
    """One installation's state folder, and what ``platform.json`` in it says."""

    state: Path
    platform: Platform

    def secret_file(self, name: str) -> Path:
        """A secret's file.

        Raises:
            Broken: it is missing or open to others.
        """
        path = self.state / "secrets" / name
        check_private(path)
        return path

    def secret(self, name: str) -> str:
        """A secret's text. Raises as `secret_file`."""
        return self.secret_file(name).read_text().strip()

    def optional_secret(self, name: str) -> str:
        """As `secret`, but empty where there is no such file."""
        return self.secret(name) if (self.state / "secrets" / name).exists() else ""

    @property
    def accounts_file(self) -> Path:
        """``accounts.json``."""
        return self.state / "accounts.json"

    @property
    def hub_url(self) -> str:
        """The hub as service and gates reach it."""
        return self.platform.address("hub")

    @property
    def proxy_api_url(self) -> str:
        """The proxy's REST API as the hub reaches it."""
        host = "proxy-api" if self.platform.kubernetes else "127.0.0.1"
        return f"http://{host}:{self.platform.ports.proxy_api}"

    @property
    def service_address(self) -> str:
        """The platform service, scheme and host, as hub, proxy and gates reach it."""
        return self.platform.address("service")


def read_installation(environ: Mapping[str, str] = os.environ) -> Installation:
    """The installation that ``HUBERNATE_STATE`` names.

    Raises:
        Broken: the variable or the file is missing, or the file is not what ``hubernate up`` writes.
    """
    state = environ.get("HUBERNATE_STATE", "")
    if not state:
        raise Broken(
            "HUBERNATE_STATE is not set; it names the installation's state folder. Start the hub by 'hubernate up'"
        )
    return Installation(Path(state), _read(Path(state) / "platform.json", Platform))


def read_accounts(path: Path) -> Accounts:
    """The embedded accounts.

    Raises:
        Broken: the file is missing, open to others, or not what ``hubernate up`` writes.
    """
    check_private(path)
    return _read(path, Accounts)


def check_private(path: Path) -> None:
    """Refuse a secret that others on this machine can read.

    Raises:
        Broken: naming the file and the command that helps; never its content.
    """
    try:
        held = path.stat()
    except OSError as problem:
        raise Broken(f"{path}: {problem.strerror}; 'hubernate up' writes it") from problem
    if not is_private(held, os.geteuid(), {os.getegid(), *os.getgroups()}):
        mode = held.st_mode & 0o777
        raise Broken(f"{path} holds a secret and has mode {mode:04o}; run: chmod 600 {path}")


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(path.read_text())
    except OSError as problem:
        raise Broken(f"{path}: {problem.strerror}; 'hubernate up' writes it") from problem
    except ValidationError as problem:
        # Pydantic's own text would show the values, passwords among them.
        first = problem.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Broken(f"{path}: {where}: {shorten(first['msg'], 200)}") from problem

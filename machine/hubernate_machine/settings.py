"""What `hubernate` was told on this machine: environment variables, and what an earlier `up` wrote down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubernate_core.errors import InvalidInput
from hubernate_core.names import check_instance, check_profile_name
from hubernate_core.platform_file import Ports

PROFILES = ("base", "spark", "torch")
DEFAULT_INSTANCE = "hubernate"
PORT_OFFSETS = {"public": 0, "proxy_api": 1, "hub": 81, "service": 82, "registry": 50}
"""With `HUBERNATE_PORT` set, every other port lies at this distance from it."""


def project_root() -> Path:
    """The clone this package runs from: images, configuration and locks are its files, not the wheel's."""
    return Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """Choices of one installation. `ports` is None where nothing was said: keep what is, or take the defaults."""

    instance: str
    state: Path
    ports: Ports | None = None
    profiles: tuple[str, ...] = PROFILES


def _port(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535):
        raise InvalidInput(name, f"{text!r} is not a port from 1024 to 65535")
    return int(text)


def read_ports(env: Mapping[str, str]) -> Ports | None:
    """Ports from `HUBERNATE_PORT` and `HUBERNATE_{PROXY_API,HUB,SERVICE,REGISTRY}_PORT`; None when none is set.

    Raises:
        InvalidInput: not a port, or two processes on one port.
    """
    said = {
        name: _port(env[variable], variable)
        for name in PORT_OFFSETS
        if env.get(variable := "HUBERNATE_PORT" if name == "public" else f"HUBERNATE_{name.upper()}_PORT")
    }
    if not said:
        return None
    ports = Ports().model_dump()
    if "public" in said:
        ports = {
            name: _port(str(said["public"] + offset), f"{name} port (HUBERNATE_PORT + {offset})")
            for name, offset in PORT_OFFSETS.items()
        }
    ports |= said
    if len(set(ports.values())) < len(ports):
        raise InvalidInput("HUBERNATE_PORT", f"two processes cannot listen on one port: {ports}")
    return Ports(**ports)


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """The settings in `env`.

    `HUBERNATE_INSTANCE` names the installation (default ``hubernate``), `HUBERNATE_STATE` its folder (default
    ``$XDG_DATA_HOME/hubernate/INSTANCE``), `HUBERNATE_PROFILES` the profiles to build, separated by commas.

    Raises:
        InvalidInput: naming the variable.
    """
    instance = check_instance(env.get("HUBERNATE_INSTANCE") or DEFAULT_INSTANCE)
    data = Path(env.get("XDG_DATA_HOME") or Path(env.get("HOME") or "~").expanduser() / ".local" / "share")
    state = Path(env.get("HUBERNATE_STATE") or data / "hubernate" / instance)
    if not state.is_absolute():
        state = Path.cwd() / state
    names = tuple(name.strip() for name in (env.get("HUBERNATE_PROFILES") or ",".join(PROFILES)).split(","))
    for name in names:
        if check_profile_name(name) not in PROFILES:
            raise InvalidInput("HUBERNATE_PROFILES", f"{name!r} is none of {', '.join(PROFILES)}")
    return Settings(instance, state, read_ports(env), tuple(name for name in PROFILES if name in names))

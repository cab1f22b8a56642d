"""The hub's configuration in parts: files of a folder, in order, each checked so that a mistake is told with its place.

JupyterHub itself only warns of an option that does not exist, and tells a wrong type without saying which file has it.
"""

import difflib
import importlib
import re
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.spawner import Spawner
from traitlets import HasTraits, TraitError
from traitlets.config import Config, Configurable, PyFileConfigLoader
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from hubernate_core.errors import InvalidInput, shorten

from .accounts import EmbeddedAuthenticator
from .docker import TenantDockerSpawner
from .oauth import TenantOAuthenticator

_CLASSES: tuple[type[Configurable], ...] = (
    JupyterHub, Authenticator, EmbeddedAuthenticator, TenantOAuthenticator, ConfigurableHTTPProxy, Spawner,
    TenantDockerSpawner,
)  # fmt: skip
_KNOWN = {each.__name__: each for each in _CLASSES}
_ON_KUBERNETES = {"KubeSpawner": "kubespawner", "TenantKubeSpawner": "hubernate_spawner.kubernetes"}
"""Class → module, loaded only when a file names the class: their client takes 60 MB."""
_OTHERS = {"Gate", "JupyterHubHTTPClient", "Application", "Proxy", "LoggingConfigurable", "OAuthenticator"}
"""Sections that are checked where they are used, not here."""


def load_parts(folder: Path) -> Config:
    """Every ``*.py`` of `folder`, by name, merged: later ones win.

    Raises:
        InvalidInput: a file does not run, or sets an option that does not exist or does not take the value; its
            `field` is ``file:line``.
    """
    merged = Config()
    for path in sorted(folder.glob("*.py")):
        merged.merge(load_part(path))
    return merged


def load_part(path: Path) -> Config:
    """One file, checked. Raises as `load_parts`."""
    try:
        config = PyFileConfigLoader(path.name, str(path.parent)).load_config()
    except Exception as problem:
        raise InvalidInput(_where(path, problem), shorten(f"{type(problem).__name__}: {problem}", 600)) from problem
    for section, options in config.items():
        if isinstance(options, Config):
            _check_section(path, section, options)
    return config


def _check_section(path: Path, section: str, options: Config) -> None:
    if section not in _KNOWN and section not in _ON_KUBERNETES:
        close = difflib.get_close_matches(section, [*_KNOWN, *_ON_KUBERNETES, *_OTHERS], n=1, cutoff=0.8)
        if close and section not in _OTHERS:
            raise InvalidInput(
                _line(path, f"c.{section}."), f"no class {section!r} is configured; did you mean {close[0]!r}?"
            )
        return
    known = _KNOWN.get(section) or getattr(importlib.import_module(_ON_KUBERNETES[section]), section)
    traits = known.class_traits(config=True)
    for name, value in options.items():
        place = f"c.{section}.{name}"
        if name not in traits:
            close = difflib.get_close_matches(name, traits, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise InvalidInput(_line(path, place), f"{place}: there is no such option{hint}")
        if not isinstance(value, LazyConfigValue | DeferredConfig):
            _check_value(path, place, traits[name], value)


def _check_value(path: Path, place: str, trait: Any, value: object) -> None:
    if value is None and trait.allow_none:
        return
    try:
        trait.validate(HasTraits(), value)  # some kinds lock their owner while they check
    except TraitError as problem:
        kind = type(trait).__name__
        said = shorten(repr(value), 60) if "token" not in place and "password" not in place else "its value"
        raise InvalidInput(_line(path, place), f"{place}: {said} is no value for it ({kind} expected)") from problem


def _line(path: Path, text: str) -> str:
    """``file:line`` of the first line that holds `text`; the file alone if none does."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if re.search(re.escape(text), line):
            return f"{path}:{number}"
    return str(path)


def _where(path: Path, problem: BaseException) -> str:
    """``file:line`` of where in `path` an exception came from."""
    if isinstance(problem, SyntaxError) and problem.lineno:
        return f"{path}:{problem.lineno}"
    line, frame = None, problem.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    return f"{path}:{line}" if line else str(path)

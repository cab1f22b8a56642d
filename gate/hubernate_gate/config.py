"""What a gate is told (`GateSettings`, from its file) and what an admin may tune (`Gate`, the file's ``settings``).

The file's shape is `hubernate_core.gate_file.GateFile`, which the spawner writes. It is read here without pydantic,
whose import would cost every notebook some ten megabytes; a test holds the two together.
"""

import difflib
import json
import os
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

from traitlets import Enum, Float, Integer, List, TraitError, Unicode
from traitlets.config import Configurable

from hubernate_core.errors import InvalidInput, shorten
from hubernate_core.private import is_private

from .target import Refused, read_target

GATE_FILE = "/etc/hubernate/gate.json"


class Gate(Configurable):  # type: ignore[misc]
    """The admin's settings: ``c.Gate.…`` in the hub's configuration; the spawner copies them into every gate's file."""

    revalidate_s = Float(
        300,
        min=1,
        max=300,
        config=True,
        help="Seconds after which a login is checked with the hub again. Default 300, also the most: so long a revoked"
        " token may go on working.",
    )
    hub_outage_s = Float(
        900,
        min=0,
        config=True,
        help="Seconds for which confirmed logins stay good while the hub does not answer. Default 900: a restart of the"
        " hub must not throw people out of their notebooks.",
    )
    hub_timeout_s = Float(10, min=0.1, config=True, help="Seconds the gate waits for an answer of the hub. Default 10.")
    login_s = Float(600, min=10, config=True, help="Seconds a login may take. Default 600, enough for a second factor.")
    sessions = Integer(
        500, min=1, config=True, help="Logins remembered; the longest unused goes first. Default 500, about 1 MB."
    )
    connect_s = Float(
        3, min=0.1, config=True, help="Seconds to connect to the notebook. Default 3: it is on loopback or not there."
    )
    activity_interval_s = Float(
        60,
        min=0.1,
        config=True,
        help="Seconds between two reports of activity, give or take a tenth. Default 60, fine enough for idle times.",
    )
    polling_paths = List(
        Unicode(),
        ["git/", "lsp/", "lab/api/workspaces"],
        config=True,
        help="Paths behind the server's prefix whose POST and PUT requests an open tab sends by itself; they are not"
        " activity. Default: jupyterlab-git, language servers and the saved layout.",
    )
    activity_sockets = List(
        Unicode(),
        ["proxy/"],
        config=True,
        help="Paths behind the server's prefix whose WebSocket messages from the browser count as a person's doing,"
        " beside those of kernels and terminals. Default 'proxy/', apps behind jupyter-server-proxy such as Streamlit:"
        " clicks in them go over a WebSocket only. Add the names of apps with an entry of their own, such as 'vscode/'"
        " or 'rstudio/'. An app whose page sends messages by itself keeps its server awake while its tab is open; take"
        " its path out, or set [] to hibernate under such tabs. A ping is not a message.",
    )
    same_origin_paths = List(
        Unicode(),
        [],
        config=True,
        help="Paths behind the server's prefix, such as 'proxy/', whose unsafe requests need no XSRF token when the"
        " browser says that they are same-origin. Default none. Apps behind jupyter-server-proxy that do not know"
        " Jupyter's token need it; they give up protection from other notebooks of the same host name.",
    )
    log_level = Enum(["DEBUG", "INFO", "WARNING", "ERROR"], "INFO", config=True, help="What is logged. Default INFO.")


@dataclass(frozen=True, slots=True)
class GateSettings:
    """One gate's file, checked. Fields as in `hubernate_core.gate_file.GateFile`."""

    server_id: str
    generation: int
    user: str
    prefix: str
    hub_api_url: str
    client_id: str
    hub_token: str = field(repr=False)
    callback_path: str
    access_scopes: tuple[str, ...]
    service_url: str
    relay_token: str = field(repr=False)
    server_name: str = ""
    hub_public_url: str = ""
    hub_base_path: str = "/hub/"
    public_url: str = ""
    cookie_options: dict[str, Any] = field(default_factory=dict)
    listen: str = "0.0.0.0:8888"
    upstream: str = "http://127.0.0.1:8889"
    relay_listen: str = "127.0.0.1:8890"
    settings: dict[str, Any] = field(default_factory=dict)


def load_settings(path: Path) -> GateSettings:
    """Read and check the gate's file.

    Raises:
        InvalidInput: the file, a field or a value is not as it should be; the message names it and never its value.
    """
    try:
        found = path.stat()
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(str(path), f"cannot be read ({type(error).__name__}); the spawner writes it") from error
    if not is_private(found, os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise InvalidInput(str(path), "holds tokens and is open to others; give it mode 0400")
    return parse_settings(text, str(path))


def parse_settings(text: str, where: str = GATE_FILE) -> GateSettings:
    """`load_settings` on the file's text.

    Raises:
        InvalidInput: as there.
    """
    try:
        given = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", "?")
        raise InvalidInput(f"{where}:{line}", "is not JSON, or names a key twice") from error
    if not isinstance(given, dict):
        raise InvalidInput(where, "is not a JSON object")
    known = {each.name: each for each in fields(GateSettings)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise InvalidInput(f"{where}: {shorten(name, 40)}", f"no such field{f'; {near[0]}?' if near else ''}")
    values = {}
    for name, each in known.items():
        if name in given:
            values[name] = _typed(given[name], each.type, f"{where}: {name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise InvalidInput(f"{where}: {name}", "is missing")
    settings = GateSettings(**values)
    _check(settings, where)
    return settings


def tuning(settings: GateSettings) -> Gate:
    """The admin's part of the file as traits.

    Raises:
        InvalidInput: no such trait, or a value it does not take.
    """
    names = Gate.class_trait_names(config=True)
    for name in settings.settings:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise InvalidInput(f"c.Gate.{shorten(name, 40)}", f"no such setting{f'; {near[0]}?' if near else ''}")
    gate = Gate()
    for name, value in settings.settings.items():
        try:
            setattr(gate, name, value)
        except TraitError as error:
            raise InvalidInput(f"c.Gate.{name}", shorten(str(error))) from error
    return gate


def address(text: str, where: str) -> tuple[str, int]:
    """``host:port`` taken apart.

    Raises:
        InvalidInput: it is not that.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65535:
        raise InvalidInput(where, f"{shorten(text, 60)!r} is not host:port")
    return host.strip("[]"), int(port)


def _check(settings: GateSettings, where: str) -> None:
    for name in ("prefix", "hub_base_path"):
        path = getattr(settings, name)
        try:
            read_target(path, path)
        except Refused as error:
            raise InvalidInput(f"{where}: {name}", "is not a plain path") from error
        if not path.endswith("/"):
            raise InvalidInput(f"{where}: {name}", "does not end with '/'")
    if not settings.callback_path.startswith(settings.prefix):
        raise InvalidInput(f"{where}: callback_path", "lies outside the prefix")
    for name in ("hub_api_url", "upstream", "service_url", "public_url", "hub_public_url"):
        url = urlsplit(getattr(settings, name))
        if (name in ("public_url", "hub_public_url") and not url.geturl()) or (
            url.scheme in ("http", "https") and url.netloc
        ):
            continue
        raise InvalidInput(f"{where}: {name}", "is not an http or https URL")
    for name in ("server_id", "user", "client_id", "hub_token", "relay_token", "access_scopes"):
        if not getattr(settings, name):
            raise InvalidInput(f"{where}: {name}", "is empty")
    address(settings.listen, f"{where}: listen")
    if settings.relay_listen:
        address(settings.relay_listen, f"{where}: relay_listen")


def _typed(value: object, wanted: Any, where: str) -> Any:
    kind = get_origin(wanted) or wanted
    if kind is tuple:
        if isinstance(value, list) and all(isinstance(item, get_args(wanted)[0]) for item in value):
            return tuple(value)
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    names = {tuple: "a list of strings", dict: "an object", str: "a string", int: "a whole number"}
    raise InvalidInput(where, f"is not {names[kind]}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

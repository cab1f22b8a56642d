"""Tokens of our own processes: the spawner's and the agents', from files, compared in constant time."""

import hmac
import logging
import re
import time
from pathlib import Path

from fastapi import Request

from .errors import NotSignedIn

_READ_AGAIN_S = 5.0
_LENGTH_MIN = 16
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")  # a service account's has over a thousand
_log = logging.getLogger(__name__)


def bearer(request: Request) -> str:
    """The token in ``Authorization: Bearer …`` (or the hub's ``token …``); empty if there is none.

    Raises:
        NotSignedIn: what is there can be no token, and is not passed on.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        return ""
    if not _TOKEN.fullmatch(token.strip()):
        raise NotSignedIn("what stands in the Authorization header is no token")
    return token.strip()


class ServiceTokens:
    """Who of our own a token names. Files are read again, at most every few seconds, when a token is not known."""

    def __init__(self, spawner_file: Path, agent_files: Path) -> None:
        self._spawner_file, self._agent_files = spawner_file, agent_files
        self._tokens: dict[str, bytes] = {}
        self._read_at = -_READ_AGAIN_S

    def is_spawner(self, token: str) -> bool:
        """Whether `token` is the spawner's."""
        return self._name_of(token) == "spawner"

    def node_of(self, token: str) -> str:
        """The node whose agent holds `token`.

        Raises:
            NotSignedIn: it is no agent's.
        """
        name = self._name_of(token)
        if not name.startswith("agent "):
            raise NotSignedIn("this is not the token of an agent that this platform knows")
        return name.removeprefix("agent ")

    def _name_of(self, token: str) -> str:
        found = self._match(token)
        if not found and time.monotonic() - self._read_at >= _READ_AGAIN_S:
            self._read()
            found = self._match(token)
        return found

    def _match(self, token: str) -> str:
        given, found = token.encode(), ""
        for name, known in self._tokens.items():  # all of them: how long it takes tells nothing
            if hmac.compare_digest(given, known):
                found = name
        return found

    def _read(self) -> None:
        self._read_at = time.monotonic()
        files = {"spawner": self._spawner_file} if self._spawner_file.exists() else {}
        before, _, after = self._agent_files.name.partition("*")
        for path in self._agent_files.parent.glob(self._agent_files.name):
            files[f"agent {path.name.removeprefix(before).removesuffix(after)}"] = path
        tokens = {name: path.read_bytes().strip() for name, path in files.items()}
        for name in [name for name, token in tokens.items() if len(token) < _LENGTH_MIN]:
            _log.error("token too short, ignored", extra={"token_of": name})
            del tokens[name]
        self._tokens = tokens

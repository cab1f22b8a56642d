"""Credentials at rest: each under a key of its own, and that one under the platform's (envelope encryption).

AES-256-GCM with 96-bit random nonces, never two messages under one data key. What a sealed credential belongs to is
authenticated with it: a row that is copied to another source does not open.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hubernate_core.errors import Broken, Unavailable
from hubernate_core.private import is_private

_NONCE = 12


@dataclass(frozen=True)
class Keys:
    """The platform's keys by name; `current` seals, all of them open."""

    current: str
    known: dict[str, bytes]

    def __repr__(self) -> str:
        return f"Keys(current={self.current!r})"


class Cipher:
    """Seals and opens credentials with the keys in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: Keys | None = None
        self._seen: tuple[int, ...] = ()

    def seal(self, values: dict[str, str], owner: str) -> dict[str, str]:
        """`values` as JSON that may be stored. `owner` names what they belong to.

        Raises:
            Unavailable, Broken: as `open`.
        """
        keys, data_key = self._load(), AESGCM.generate_key(256)
        wrapped = _encrypt(keys.known[keys.current], data_key, owner)
        return {
            "key": keys.current,
            "wrapped": wrapped,
            "sealed": _encrypt(data_key, json.dumps(values).encode(), owner),
        }

    def open(self, stored: dict[str, str], owner: str) -> dict[str, str]:
        """The values.

        Raises:
            Unavailable: there is no key file and none can be made.
            Broken: the key is missing, or the row was tampered with.
        """
        data_key = self._unwrap(self._load(), stored, owner)
        opened: dict[str, str] = json.loads(_decrypt(data_key, stored["sealed"], owner))
        return opened

    def wrap_again(self, stored: dict[str, str], owner: str) -> dict[str, str]:
        """The same under the current key; the sealed values stay as they are. Raises as `open`."""
        keys = self._load()
        data_key = self._unwrap(keys, stored, owner)
        return stored | {"key": keys.current, "wrapped": _encrypt(keys.known[keys.current], data_key, owner)}

    @property
    def current(self) -> str:
        """Name of the key that seals. Raises as `open`."""
        return self._load().current

    @property
    def mounted(self) -> bool:
        """Whether somebody else writes the file, as a Secret of Kubernetes is written."""
        return self._path.exists() and not os.access(self._path.parent, os.W_OK)

    def add_key(self) -> str:
        """Make a new current key; the former ones stay until `drop_others`. Returns its name."""
        keys = self._load()
        name = secrets.token_hex(4)
        self._write(Keys(name, keys.known | {name: AESGCM.generate_key(256)}))
        return name

    def drop_others(self) -> None:
        """Forget every key but the current one: only once everything is wrapped by it."""
        keys = self._load()
        self._write(Keys(keys.current, {keys.current: keys.known[keys.current]}))

    def _unwrap(self, keys: Keys, stored: dict[str, str], owner: str) -> bytes:
        key = keys.known.get(stored["key"])
        if key is None:
            raise Broken(
                f"the key {stored['key']} of a source's credential is not in {self._path.name}; restore that file from"
                " the backup, or set the credential again"
            )
        return _decrypt(key, stored["wrapped"], owner)

    def _load(self) -> Keys:
        if not self._path.exists():
            if self._keys is not None:
                raise Broken(f"{self._path} is gone; restore it from the backup")
            name = secrets.token_hex(4)
            self._write(Keys(name, {name: AESGCM.generate_key(256)}))
        state = self._path.stat()
        seen = (state.st_ino, state.st_mtime_ns, state.st_size, state.st_mode)
        if self._keys is not None and seen == self._seen:
            return self._keys
        if not is_private(state, os.geteuid(), {os.getegid(), *os.getgroups()}):
            raise Broken(f"{self._path} may be read by others; chmod 0600 it and find out who did")
        try:
            read: dict[str, Any] = json.loads(self._path.read_text())
            known = {name: base64.b64decode(key, validate=True) for name, key in read["keys"].items()}
            AESGCM(known[read["current"]])
            self._keys, self._seen = Keys(read["current"], known), seen
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise Broken(f"{self._path} is damaged; restore it from the backup") from problem
        return self._keys

    def _write(self, keys: Keys) -> None:
        encoded = {name: base64.b64encode(key).decode() for name, key in keys.known.items()}
        text = json.dumps({"current": keys.current, "keys": encoded})
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self._path)
        except OSError as problem:
            raise Unavailable(
                f"{self._path} cannot be written ({problem.strerror}); where that folder is a mounted Secret,"
                " `hubernate kubernetes secrets` makes it. Nothing was changed"
            ) from problem
        self._keys, self._seen = keys, ()


def _encrypt(key: bytes, content: bytes, owner: str) -> str:
    nonce = secrets.token_bytes(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, content, owner.encode())).decode()


def _decrypt(key: bytes, content: str, owner: str) -> bytes:
    raw = base64.b64decode(content)
    try:
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], owner.encode())
    except InvalidTag as problem:
        raise Broken(
            "a source's stored credential does not open: its row was changed, or it belongs to another source. Set the"
            " credential again, and find out who changed it"
        ) from problem

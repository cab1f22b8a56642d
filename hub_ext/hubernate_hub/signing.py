"""The platform's own signature under a checkpoint: Ed25519 over `Record.payload`, with a key that never leaves here."""

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import Broken
from hubernate_core.private import is_private
from hubernate_core.record import Record, check_record


class Signer:
    """Signs and checks records."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, record: Record) -> str:
        """The signature, in base64."""
        return base64.b64encode(self._key.sign(record.payload())).decode()

    def secret(self, what: str) -> str:
        """A secret of `what`, 64 hexadecimal digits: always the same, stored nowhere, telling nothing of the key."""
        # HKDF (RFC 5869): `what` is its info, so that no two purposes share a secret.
        raw = self._key.private_bytes_raw()
        return HKDF(hashes.SHA256(), 32, salt=None, info=f"hubernate {what}".encode()).derive(raw).hex()

    def check(self, checkpoint: Checkpoint) -> None:
        """Refuse a checkpoint whose row was not signed by us as it stands.

        Raises:
            Broken: somebody or something changed it; the caller offers another checkpoint or a clean start.
        """
        record = record_of(checkpoint)
        try:
            self._key.public_key().verify(base64.b64decode(checkpoint.signature), record.payload())
        except (InvalidSignature, ValueError) as problem:
            raise Broken(
                f"checkpoint {checkpoint.id} does not carry this platform's signature and is not started; nothing was"
                " deleted. Start from an earlier checkpoint, or clean, and tell an admin",
                checkpoint=checkpoint.id,
            ) from problem
        check_record(record, owner_id=checkpoint.owner_id, tenant_id=checkpoint.tenant_id)


def record_of(checkpoint: Checkpoint) -> Record:
    """What is signed of a checkpoint."""
    return Record(
        digest=checkpoint.digest,
        repository=checkpoint.repository,
        tenant_id=checkpoint.tenant_id,
        owner_id=checkpoint.owner_id,
        server_id=checkpoint.server_id,
        generation=checkpoint.generation,
        base_digest=checkpoint.base_digest,
    )


def load_signer(path: Path, *, may_create: bool) -> Signer:
    """The key in `path` (PEM, 0600), made when there is none.

    Args:
        may_create: false once checkpoints exist: a new key would make all of them unusable.

    Raises:
        Broken: the file is missing although checkpoints exist, is readable by others, or holds no Ed25519 key.
    """
    if not path.exists():
        if not may_create:
            raise Broken(f"the signing key {path} is missing and checkpoints exist; restore it from the backup")
        _create(path)
    if not is_private(path.stat(), os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise Broken(f"the signing key {path} may be read by others; chmod 0600 it and find out who did")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as problem:
        raise Broken(f"the signing key {path} is damaged; restore it from the backup") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise Broken(f"the signing key {path} is not an Ed25519 key")
    return Signer(key)


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Beside and renamed: a half-written key is never found under its name.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, pem)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)

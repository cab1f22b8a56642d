"""Registering, changing and removing sources: what is checked, whoever asks."""

import logging
from typing import Any

from hubernate_core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hubernate_core.names import SourceId, new_id
from hubernate_core.source import Credential, Source, SourceSpec, check_credential
from hubernate_core.source_hadoop import HdfsPlace, HivePlace
from hubernate_core.source_place import DatabasePlace, FilesPlace, clash

from ..actor import Actor
from ..context import Work
from ..data.access import owner_of
from ..data.cipher import Cipher
from ..data.reader import Reader
from ..store import sources, tenants
from .deeds import Deed, note

_PER_TENANT = 200
_log = logging.getLogger(__name__)


def add(work: Work, cipher: Cipher, reader: Reader, spec: SourceSpec, credential: Credential | None) -> Source:
    """Register a source.

    Raises:
        NotAllowed, InvalidInput.  Conflict: its name is taken, or its data is another source's already.
    """
    _check(work, reader, spec, None)
    if credential is None and isinstance(spec.place, DatabasePlace):
        raise InvalidInput("credential", "a database needs a password")
    if credential is not None:
        check_credential(spec.place, credential)
    source = Source(
        **{name: getattr(spec, name) for name in SourceSpec.model_fields},
        id=SourceId(new_id()),
        tenant_id=reader.tenant_id,
        has_credential=credential is not None,
        credential_changed_at=work.now if credential is not None else None,
        created_by=reader.user,
        changed_at=work.now,
    )
    tenants.lock(work.tx, reader.tenant_id)
    if len(sources.of_tenant(work.tx, reader.tenant_id)) >= _PER_TENANT:
        raise Conflict(f"a tenant has at most {_PER_TENANT} sources")
    sources.add(work.tx, source, _sealed(cipher, source, credential))
    _done(work, reader, "source.add", source, after=_written(spec))
    return source


def change(work: Work, cipher: Cipher, reader: Reader, name: str, spec: SourceSpec) -> Source:
    """Write a source anew; its credential stays while its place does, and has to be given again for another place.

    Raises:
        NotFound, NotAllowed, InvalidInput, Conflict.
    """
    source = _own(work, reader, name)
    _check(work, reader, spec, source)
    sources.change(work.tx, source, spec, work.now)
    if spec.place != source.place and source.has_credential:
        # Whoever may name the place may not send a secret there that somebody else entered for another.
        sources.set_credential(work.tx, source, None, work.now)
    changed = _own(work, reader, spec.name)
    _done(work, reader, "source.change", source, before=_written(source.spec), after=_written(spec))
    return changed


def set_credential(work: Work, cipher: Cipher, reader: Reader, name: str, credential: Credential) -> Source:
    """Replace a source's credential. Raises as `change`."""
    source = _own(work, reader, name)
    check_credential(source.place, credential)
    sources.set_credential(work.tx, source, _sealed(cipher, source, credential), work.now)
    changed = _own(work, reader, name)
    _done(work, reader, "source.credential", source)
    return changed


def remove(work: Work, reader: Reader, name: str) -> Source:
    """Forget a source; its data stays where it is. Raises as `change`."""
    source = _own(work, reader, name)
    sources.remove(work.tx, source.id)
    _done(work, reader, "source.remove", source, before=_written(source.spec))
    return source


def rotate_key(work: Work, cipher: Cipher, actor: Actor) -> tuple[int, str]:
    """Put every credential under a new key; how many there were, and the key's name. A key in a mounted Secret is
    another's to make.

    Raises:
        Conflict: the Secret has no newer key than the one in use.
        Unavailable, Broken: nothing was changed but that a further key may be in the file.
    """
    rows = sources.every_sealed(work.tx)
    if not cipher.mounted:
        cipher.add_key()
    elif all(stored["key"] == cipher.current for _, _, stored in rows):
        raise Conflict(
            "every credential is under the newest key that the service sees. `hubernate kubernetes new-data-key` makes"
            " one; it is here within two minutes. Nothing was changed"
        )
    key = cipher.current
    for tenant, source, stored in rows:
        sources.reseal(work.tx, source, cipher.wrap_again(stored, owner_of(tenant, source)))
    note(work, actor, Deed("data.rotate-key", f"{len(rows)} credentials"))
    return len(rows), key


def is_all_under(work: Work, key: str) -> bool:
    """Whether no credential needs another key: one may have been sealed while the others were put under a new one."""
    return all(stored["key"] == key for _, _, stored in sources.every_sealed(work.tx))


def _check(work: Work, reader: Reader, spec: SourceSpec, known: Source | None) -> None:
    if isinstance(spec.place, FilesPlace):
        _check_folder(work, reader, spec.place)
    if isinstance(spec.place, HdfsPlace) and not reader.platform:
        # A cluster without Kerberos believes any name, and takes none for a name too: which folder is a team's is not
        # for the team to say.
        raise NotAllowed("an HDFS source is registered by a platform admin, who says which folder is the team's")
    if isinstance(spec.place, HivePlace) and not reader.platform:
        # The same: it shows everybody every database.
        raise NotAllowed("a Hive metastore is registered by a platform admin, who says which databases are the team's")
    if not spec.writable_kind and any(str(level) == "write" for level in _levels(spec)):
        raise InvalidInput("grants", f"a {spec.place.kind} source is read only")
    others = [each for each in sources.of_tenant(work.tx, reader.tenant_id) if known is None or each.id != known.id]
    for other in others:
        if other.name == spec.name:
            raise Conflict(f"there is a source {spec.name!r} already; choose another name")
        if clash(other.place, spec.place):
            raise Conflict(
                f"the source {other.name!r} holds the same data, so that two grants would contradict each other; change"
                " that one, or choose a prefix beside its own"
            )


def _check_folder(work: Work, reader: Reader, place: FilesPlace) -> None:
    """Folders of the platform's machine. Its admin is asked for first: nobody else learns which there are."""
    if not reader.platform:
        raise NotAllowed("a source in a folder of the platform's machine is registered by a platform admin")
    if place.folder not in work.context.data.settings.folders:
        raise InvalidInput("place.folder", f"the platform has no folder {place.folder!r} (c.DataGateway.folders)")
    for other in sources.everywhere(work.tx):
        if other.tenant_id != reader.tenant_id and clash(other.place, place):
            raise Conflict("another tenant has a source in that folder; choose a prefix beside it")


def _levels(spec: SourceSpec) -> list[str]:
    return [spec.grants.tenant, *spec.grants.members.values()]


def _own(work: Work, reader: Reader, name: str) -> Source:
    if not reader.governs:
        raise NotAllowed("only admins change sources")
    source = sources.named(work.tx, reader.tenant_id, name[:100])
    if source is None:
        raise NotFound("the tenant has no source of that name")
    return source


def _sealed(cipher: Cipher, source: Source, credential: Credential | None) -> dict[str, str] | None:
    if credential is None:
        return None
    return cipher.seal(credential.revealed(), owner_of(source.tenant_id, source.id))


def _written(spec: SourceSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json")


def _done(work: Work, reader: Reader, action: str, source: Source, *, before: Any = None, after: Any = None) -> None:
    _log.info(action, extra={"source": source.id, "tenant": source.tenant_id, "by": reader.user})
    if reader.actor is None:
        raise NotAllowed("a notebook does not change sources")
    note(work, reader.actor, Deed(action, f"{source.name} {source.id}", source.tenant_id, before=before, after=after))

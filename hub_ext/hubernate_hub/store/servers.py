"""Server rows."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, bindparam, insert, select, update

from hubernate_core.names import CheckpointId, OwnerId, ServerId, TenantId
from hubernate_core.profile import Profile
from hubernate_core.server import ServerState, Start

from .database import Tx
from .schema import owners, servers, tenants

_NO_TENANT = TenantId("")


@dataclass(frozen=True)
class ServerRow:
    """A server with its owner and tenant. Everything from `generation` to `ready_at` is of the newest start."""

    id: ServerId
    owner_id: OwnerId
    name: str
    state: ServerState
    generation: int
    profile: Profile
    start: Start
    base_repository: str
    base_digest: str
    image_repository: str
    image_digest: str
    node: str = ""
    container_id: str = ""
    gate_container_id: str = ""
    checkpoint_id: CheckpointId | None = None
    relay_sha256: str | None = None
    asked_at: datetime | None = None
    started_at: datetime | None = None
    ready_at: datetime | None = None
    stopped_at: datetime | None = None
    last_person_at: datetime | None = None
    last_kernel_busy_at: datetime | None = None
    last_terminal_busy_at: datetime | None = None
    last_cpu_busy_at: datetime | None = None
    last_gpu_busy_at: datetime | None = None
    gpu_read_at: datetime | None = None
    keep_awake_until: datetime | None = None
    warned_at: datetime | None = None
    notice: str = ""
    user: str = ""
    hub_name: str = ""
    tenant_id: TenantId = _NO_TENANT
    tenant: str = ""

    @property
    def image(self) -> str:
        """``repository@digest`` of what runs."""
        return f"{self.image_repository}@{self.image_digest}"

    @property
    def newest_start(self) -> tuple[int, datetime | None]:
        """The generation of the newest start, and when it was asked for."""
        return self.generation, self.asked_at

    @property
    def has_container(self) -> bool:
        """A container of it is there, or was when last heard of."""
        return bool(self.container_id) and self.state is not ServerState.ASLEEP


_JOINED = ("user", "hub_name", "tenant_id", "tenant")
_OWN = tuple(field.name for field in fields(ServerRow) if field.name not in _JOINED)


def joined() -> Select[Any]:
    """Query of servers with their owners and tenants."""
    whole = servers.join(owners, servers.c.owner_id == owners.c.id).join(tenants, owners.c.tenant_id == tenants.c.id)
    columns = [servers.c[name] for name in _OWN]
    return select(
        *columns, owners.c.user, owners.c.hub_name, owners.c.tenant_id, tenants.c.name.label("tenant")
    ).select_from(whole)


def row_of(row: Row[Any]) -> ServerRow:
    """One row of `joined`."""
    values = dict(row._mapping)
    values["profile"] = _profile(json.dumps(values["profile"]))
    values["state"] = ServerState(values["state"])
    values["start"] = Start(values["start"])
    return ServerRow(**values)


@lru_cache(maxsize=1024)
def _profile(text: str) -> Profile:
    """Ten thousand servers are of a few profiles, and reading one takes longer than all the rest of a row."""
    return Profile.model_validate(json.loads(text))


def get(tx: Tx, server: ServerId) -> ServerRow | None:
    """One server by id."""
    row = tx.execute(joined().where(servers.c.id == server)).one_or_none()
    return None if row is None else row_of(row)


def lock(tx: Tx, server: ServerId) -> ServerRow | None:
    """One server, held until the transaction ends: the first statement of every change to it or its operations."""
    tx.execute(select(servers.c.id).where(servers.c.id == server).with_for_update())
    return get(tx, server)


def find(tx: Tx, owner: OwnerId, name: str) -> ServerRow | None:
    """The server `name` of `owner`, held as by `lock`."""
    found = tx.execute(
        select(servers.c.id).where(servers.c.owner_id == owner, servers.c.name == name).with_for_update()
    ).scalar_one_or_none()
    return get(tx, found) if found else None


def by_relay(tx: Tx, relay_sha256: str) -> ServerRow | None:
    """The server whose present start has this relay token."""
    row = tx.execute(joined().where(servers.c.relay_sha256 == relay_sha256)).one_or_none()
    return None if row is None else row_of(row)


def of_user(tx: Tx, user: str, hub_name: str) -> list[ServerRow]:
    """A person's servers in all tenants, the default server first: the hub's very spelling, not only the normalised."""
    query = joined().where(owners.c.user == user, owners.c.hub_name == hub_name)
    return [row_of(row) for row in tx.execute(query.order_by(servers.c.name, tenants.c.name))]


def of_hub_server(tx: Tx, hub_name: str, name: str) -> list[ServerRow]:
    """What the hub knows as one server: one row for each tenant in which the person ever started it."""
    return [row_of(row) for row in tx.execute(joined().where(owners.c.hub_name == hub_name, servers.c.name == name))]


def in_states(tx: Tx, states: Iterable[ServerState]) -> list[ServerRow]:
    """Servers in one of `states`."""
    return [row_of(row) for row in tx.execute(joined().where(servers.c.state.in_([str(each) for each in states])))]


def of_tenant(tx: Tx, tenant: TenantId) -> list[ServerRow]:
    """A tenant's servers, by user."""
    query = joined().where(owners.c.tenant_id == tenant).order_by(owners.c.user, servers.c.name)
    return [row_of(row) for row in tx.execute(query)]


def page_of_tenant(tx: Tx, tenant: TenantId, *, after: str, limit: int) -> list[ServerRow]:
    """Up to `limit` of a tenant's servers with ids behind `after`, by id."""
    query = joined().where(owners.c.tenant_id == tenant, servers.c.id > after).order_by(servers.c.id).limit(limit)
    return [row_of(row) for row in tx.execute(query)]


def tenants_of(tx: Tx, ids: Collection[ServerId]) -> dict[ServerId, TenantId]:
    """The tenant of each server."""
    query = select(servers.c.id, owners.c.tenant_id).join(owners, servers.c.owner_id == owners.c.id)
    return {row.id: row.tenant_id for row in tx.execute(query.where(servers.c.id.in_(list(ids))))}


def all_servers(tx: Tx) -> list[ServerRow]:
    """Every server, by user."""
    return [row_of(row) for row in tx.execute(joined().order_by(owners.c.user, servers.c.name))]


def add(tx: Tx, row: ServerRow) -> None:
    """Store a new server."""
    tx.execute(insert(servers).values(**{name: _plain(getattr(row, name)) for name in _OWN}))


def replace_row(tx: Tx, row: ServerRow) -> None:
    """Store every column of a server anew: a new start forgets the former one's."""
    change(tx, row.id, **{name: getattr(row, name) for name in _OWN if name != "id"})


def change(tx: Tx, server: ServerId, **values: object) -> None:
    """Set columns of one server."""
    tx.execute(
        update(servers).where(servers.c.id == server).values(**{key: _plain(each) for key, each in values.items()})
    )


def warned(tx: Tx, since: Mapping[tuple[ServerId, int], datetime | None]) -> None:
    """From when on the persons of these starts are told that they are about to sleep; None: no longer."""
    # A parameter must not be called as a column is.
    start = (servers.c.id == bindparam("of_server"), servers.c.generation == bindparam("of_start"))
    rows = [{"of_server": server, "of_start": start, "told_at": at} for (server, start), at in since.items()]
    if rows:
        tx.execute(update(servers).where(*start).values(warned_at=bindparam("told_at")), rows)


def _plain(value: object) -> object:
    if isinstance(value, Profile):
        return value.model_dump(mode="json")
    return str(value) if isinstance(value, ServerState | Start) else value

"""What every request and every loop may use: built once by `app`, passed along, never global."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Concatenate, ParamSpec, TypeVar

from hubernate_core.names import ServerId

from .bell import Bell
from .catalogue import Catalogue
from .config import HubernateService
from .data.parts import DataParts
from .fleet import Fleet, Key
from .hub_client import Hub
from .jobs.parts import JobParts
from .kube.parts import KubeParts
from .lookout import Lookout
from .metrics import Metrics
from .sight import Sight
from .signing import Signer
from .store.database import Store, Tx

_P = ParamSpec("_P")
_T = TypeVar("_T")


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def _nothing(_point: str) -> None:
    return None


@dataclass
class Context:
    """The service's parts."""

    settings: HubernateService
    store: Store
    hub: Hub
    signer: Signer
    catalogue: Catalogue
    fleet: Fleet
    sight: Sight
    data: DataParts
    kube: KubeParts | None = None
    """The cluster's side; None on Docker."""
    jobs: JobParts | None = None
    """What runs jobs; None on Kubernetes, where there are none yet."""
    bell: Bell = field(default_factory=Bell)
    metrics: Metrics = field(default_factory=Metrics)
    lookout: Lookout = field(default_factory=Lookout)
    clock: Callable[[], datetime] = utc_now
    on_step: Callable[[str], None] = _nothing
    """Called with ``STEP:before`` and ``STEP:after`` around every stored report, so that tests can crash us there."""
    stopping: bool = False
    gates_heard: dict[Key, float] = field(default_factory=dict)
    """When each gate last reported, by the monotonic clock; empty after a restart: then idleness is not known yet."""

    async def read(self, use: Callable[Concatenate["Work", _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """`use(work, …)` in a transaction that changes nothing (`Store.read`)."""
        return await self.store.read(lambda tx: use(Work(tx, self, self.clock()), *args, **kwargs))

    async def write(self, use: Callable[Concatenate["Work", _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """`use(work, …)` in a transaction that is undone when it raises (`Store.write`)."""
        return await self.store.write(lambda tx: use(Work(tx, self, self.clock()), *args, **kwargs))

    def forget_all_but(self, awake: Collection[Key]) -> None:
        """Drop what is kept in memory of starts that are over: all but `awake`, and containers on a node."""
        self.fleet.forget_all_but(awake)
        for key in [each for each in list(self.gates_heard) if each not in awake]:
            self.gates_heard.pop(key, None)

    def since_gate_spoke(self, server: ServerId, generation: int) -> timedelta | None:
        """Time since the newest report of this start's gate; None when it did not report lately."""
        heard = self.gates_heard.get((server, generation))
        silent_s = None if heard is None else time.monotonic() - heard
        if silent_s is None or silent_s > self.settings.gate_silent_after_s:
            return None
        return timedelta(seconds=silent_s)


@dataclass(frozen=True)
class Work:
    """One transaction's work: what a use case needs, and the one moment at which all of it happens."""

    tx: Tx
    context: Context
    now: datetime

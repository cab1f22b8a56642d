"""What every operation on this node uses."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from .capture.engine import Engine
from .config import CheckpointAgent
from .freeze import Freezer
from .health import Metrics
from .journal import Journal
from .patience import Patience
from .registry import Registry
from .reporter import Reporter


@dataclass(frozen=True, slots=True)
class Tools:
    """What every save on this node uses. `on_step` is told ``before:STEP`` and ``after:STEP``; tests fail there."""

    settings: CheckpointAgent
    engine: Engine
    registry: Registry
    journal: Journal
    freezer: Freezer
    metrics: Metrics
    stop: Event
    on_step: Callable[[str], None]


def registry_patience(tools: Tools, reporter: Reporter) -> Patience:
    """How one operation puts up with a registry that does not answer."""
    limit_s = tools.settings.registry_patience_s
    return Patience("registry", limit_s, lambda text: reporter.progress(note=text), tools.stop)

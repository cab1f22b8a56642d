"""One thing's failure keeps no other from its turn."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hubernate_core.errors import HubernateError

from .metrics import Metrics

_log = logging.getLogger(__name__)


@contextmanager
def apart(metrics: Metrics, loop: str, problem: str, **which: object) -> Iterator[None]:
    """Around what a round of `loop` does for one of many: what goes wrong is told as `problem`, and the round goes on.

    The next round tries again. An outside system that is away is expected; anything else is a fault of ours, and counts
    as a round that failed.
    """
    try:
        yield
    except HubernateError as error:
        _log.warning(problem, extra=which | {"error": error.message})
    except Exception:  # noqa: BLE001  one bad row must not end the round that saves all others
        metrics.loop_failures.labels(loop).inc()
        _log.exception(problem, extra=which)

"""Reporting one operation without ever holding it up: a thread sends the newest state and keeps at it while the
service is away."""

import logging
import random
from collections import deque
from concurrent.futures import Future
from itertools import count
from threading import Condition, Event, Thread
from typing import Any

from hubernate_core.errors import Conflict, HubernateError, NotFound, Unavailable
from hubernate_core.operation import Progress, Step
from hubernate_core.wire import Answer, Directive, Order, Report

from .service import Service

_log = logging.getLogger(__name__)
_FIRST_S, _LONGEST_S, _PROGRESS_S = 0.5, 20.0, 0.3
_ORDER = {step: position for position, step in enumerate(Step)}


class Aborted(HubernateError):
    """The service says that this operation is over or newer: let everything be as it is and forget it."""


class Gone(HubernateError):
    """The agent ends; the next one carries on."""


class Reporter:
    """Sends reports of one operation in order, each until the service has it.

    Steps the row already has are not repeated, since a row only goes forward. Progress is sent at most a few times a
    second, the newest only.

    Args:
        stop: set when the agent ends.
    """

    def __init__(self, service: Service, node: str, order: Order, stop: Event) -> None:
        self._service = service
        self._node = node
        self._order = order
        self._stop = stop
        self._changed = Condition()
        self._queue: deque[tuple[Report, Future[Answer]]] = deque()
        self._moved = False
        self._step = order.step
        self._progress = Progress()
        self._over = False
        self.aborted = Event()
        self._thread = Thread(target=self._send_all, name=f"report-{order.operation_id}", daemon=True)
        self._thread.start()

    def step(self, step: Step) -> None:
        """Say that `step` is reached; returns at once."""
        if _ORDER[step] > _ORDER[self._step]:
            with self._changed:
                self._step = step
                self._put(self._report(step))

    def progress(self, **fields: int | str) -> None:
        """Say how far the present step is; returns at once."""
        with self._changed:
            self._progress = self._progress.model_copy(update=fields)
            self._moved = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise Aborted when the service has ended the operation meanwhile, Gone when the agent ends."""
        if self.aborted.is_set():
            raise Aborted("the service ended the operation")
        if self._stop.is_set():
            raise Gone("the agent ends")

    def settle(self, step: Step, **said: Any) -> Answer:
        """Say that `step` is reached and wait for the answer, however long the service is away.

        Args:
            said: further fields of `Report`: `saved`, `still`, `reason`, `kept`.

        Raises:
            Aborted: the service refuses it.
            Gone: the agent ends before the answer.
        """
        with self._changed:
            self._moved = False
            self._step = max(self._step, step, key=_ORDER.__getitem__)
            answer = self._put(self._report(step, **said))
        return answer.result()

    def close(self) -> None:
        """No more reports; whoever waits for an answer gets Gone."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join(timeout=1)

    def _report(self, step: Step, **said: Any) -> Report:
        return Report(node=self._node, generation=self._order.generation, step=step, progress=self._progress, **said)

    def _put(self, report: Report) -> "Future[Answer]":
        answer: Future[Answer] = Future()
        if self.aborted.is_set() or self._over:
            answer.set_exception(_ending(self.aborted.is_set()))
        else:
            self._queue.append((report, answer))
            self._changed.notify_all()
        return answer

    def _send_all(self) -> None:
        while not (self._over or self.aborted.is_set() or (self._stop.is_set() and not self._queue)):
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._over or self._may_show_progress())
                if not self._queue and self._may_show_progress():
                    self._moved = False
                    self._put(self._report(self._step))
            while self._queue and self._send(*self._queue[0]):
                self._queue.popleft()
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._over, timeout=_PROGRESS_S)
        with self._changed:
            self._over = True  # nobody sends any more: whoever reports from now on is told so instead of waiting
            while self._queue:
                self._queue.popleft()[1].set_exception(_ending(self.aborted.is_set()))

    def _may_show_progress(self) -> bool:
        """A report of `verified` carries the image and `requested` is the row's own: neither shows mere progress."""
        return self._moved and self._step is not Step.REQUESTED and _ORDER[self._step] < _ORDER[Step.VERIFIED]

    def _send(self, report: Report, waiting: "Future[Answer]") -> bool:
        """Try until the service has it; False when the operation or the agent is over."""
        for tries in count():
            try:
                answer = self._service.report(self._order.operation_id, report)
            except (Conflict, NotFound) as problem:
                _log.warning(
                    "report refused", extra={"operation": self._order.operation_id, "problem": problem.message}
                )
                self.aborted.set()
                return False
            except HubernateError as problem:
                _log.log(
                    logging.WARNING if isinstance(problem, Unavailable) else logging.ERROR,
                    "cannot report, trying again",
                    extra={"operation": self._order.operation_id, "step": str(report.step), "problem": problem.message},
                )
            else:
                if answer.directive is Directive.ABORT:
                    self.aborted.set()
                    return False
                waiting.set_result(answer)
                return True
            pause = min(_LONGEST_S, _FIRST_S * 2 ** min(tries, 8)) * random.uniform(0.5, 1.5)
            if self._stop.wait(pause) or self._over:
                self._over = True
                return False
        return False


def _ending(aborted: bool) -> HubernateError:
    return Aborted("the service ended the operation") if aborted else Gone("the agent ends")

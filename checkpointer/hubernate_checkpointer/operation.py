"""One operation from order to end: save, ask what is next, and release only what is recorded.

Whatever goes wrong before the release leaves the server running (or startable as it was) and says so. What a release
is, the engine knows: Docker's containers are removed, a pod is let go, and the service deletes it.
"""

import logging

from hubernate_core.errors import Broken, HubernateError, Unavailable, shorten
from hubernate_core.operation import Kind, Step
from hubernate_core.wire import Answer, Directive, Order, SavedImage

from .capture.engine import Container
from .channel import Redo
from .identity import check_meant
from .journal import Entry
from .reporter import Aborted, Gone, Reporter
from .save import Save
from .tools import Tools, registry_patience
from .upload import Lost

_log = logging.getLogger(__name__)
_NOT_YET_S = 2.0
_LOST_MAX = 3
"""Saves of one state that the registry may lose before it is not believed any more."""
_REASON_MAX = 1000


class Operation:
    """Carries out one order. `run` never raises."""

    def __init__(self, tools: Tools, order: Order, reporter: Reporter) -> None:
        self._tools = tools
        self._order = order
        self._reporter = reporter
        self._deleting = order.deleting
        known = tools.journal.entry(order.operation_id)
        self._entry = known or Entry(
            operation_id=order.operation_id, container_id=order.container_id, generation=order.generation
        )

    def run(self) -> str:
        """Do it, or say why not; the outcome in one word, for the metrics."""
        ids = {"operation": self._order.operation_id, "server": self._order.server_id}
        try:
            if self._order.kind is Kind.DISCARD:
                self._discard()
            else:
                self._save_and_settle()
            return "done"
        except Aborted:
            _log.warning("operation ended by the service", extra=ids)
            if not self._entry.removing:  # what is half removed must be finished by whoever is asked next
                self._tools.journal.forget(self._order.operation_id)
            return "aborted"
        except Gone:
            _log.info("operation left for the next agent", extra=ids)
            return "left"
        except Exception as problem:  # noqa: BLE001 - the last line of defence: a server must never hang because of a bug
            _log.exception("operation failed", extra=ids)
            self._fail(problem)
            return "failed"
        finally:
            self._reporter.close()

    def _save_and_settle(self) -> None:
        if self._entry.removing:
            self._remove()
            return
        container = self._find()
        if container is None:
            raise Broken(
                "its container is gone, so its newest state could not be saved; start the server again to continue "
                "from the last checkpoint"
            )
        saved = self._entry.saved
        if saved is None or self._order.step not in (Step.VERIFIED, Step.RECORDED):
            saved = self._save(container, only_changes=bool(self._order.unless_still))
        self._obey(self._record(saved))

    def _save(self, container: Container, *, only_changes: bool) -> SavedImage | None:
        """Save, again while the registry breaks off what cannot be sent from the middle, or lost what it took (F05)."""
        patience = registry_patience(self._tools, self._reporter)
        lost = 0
        while True:
            try:
                return Save(self._tools, self._order, self._reporter).run(container, only_changes=only_changes)
            except Redo as problem:
                cause = problem.cause
                patience.endure(cause if isinstance(cause, Unavailable) else Unavailable(cause.message))
            except Lost as problem:
                lost += 1
                if lost == _LOST_MAX:
                    raise
                _log.warning("pushing again", extra={"operation": self._order.operation_id, "lost": problem.message})

    def _record(self, saved: SavedImage | None) -> Directive:
        """Report `saved`, or (None) that the order's image still holds all, until the service has recorded it; what it
        wants next."""
        self._note(saved=saved)
        said = {"still": self._order.unless_still} if saved is None else {"saved": saved}
        while True:
            answer = self._reporter.settle(Step.VERIFIED, **said)
            self._deleting = self._deleting or answer.deleting
            if answer.step is Step.RECORDED or answer.directive in (Directive.RELEASE, Directive.KEEP):
                break
            if self._tools.stop.wait(_NOT_YET_S):
                raise Gone("the agent ends")
        self._tools.on_step(f"after:{Step.VERIFIED}")
        self._tools.on_step(f"before:{Step.RECORDED}")
        if saved is not None:
            self._tools.journal.accept(self._container_id, saved.digest)
            self._tools.metrics.frozen.observe(saved.frozen_s)
            self._tools.metrics.saved.inc(saved.size)
        self._tools.on_step(f"after:{Step.RECORDED}")
        return answer.directive if answer.directive is not Directive.CONTINUE else self._by_kind(answer)

    def _by_kind(self, answer: Answer) -> Directive:
        return Directive.KEEP if self._order.kind is Kind.SAVE else Directive.RELEASE

    def _obey(self, directive: Directive) -> None:
        if directive is Directive.RELEASE:
            self._release()
        else:
            self._start_again()
            self._end(kept=True)

    def _release(self) -> None:
        """Stop, save the last changes, and let go once those are recorded too.

        What is held back from its pod's deletion is not stopped: its changes would be gone at once, unread.
        """
        tools = self._tools
        container = self._find()
        held = container is not None and container.running and self._deleting
        if container is not None and container.running and not held:
            tools.on_step("before:stopped")
            self._note(stopped=True)
            tools.engine.stop(container.id, tools.settings.stop_grace_s)
            tools.on_step("after:stopped")
            container = self._find()
        if container is not None and not held:
            if container.running:
                name = tools.engine.name
                raise Broken(f"{name} was told to stop the server, but it still runs; it was left as it is")
            last = self._save(container, only_changes=True)
            keep = last is not None and self._record(last) is not Directive.RELEASE
            if keep and tools.engine.restarts:  # otherwise whoever came back finds it saved, and starts it anew
                self._start_again()
                self._end(kept=True)
                return
        self._note(removing=True)
        self._remove()

    def _remove(self) -> None:
        """Let both containers go, in any state; their volumes stay."""
        tools = self._tools
        tools.on_step("before:removed")
        for container_id in (self._entry.container_id, self._order.gate_container_id):
            found = tools.engine.inspect(container_id) if container_id else None
            if found is not None:
                self._check_ours(found)
                tools.engine.release(found.id)
        tools.on_step("after:removed")
        self._end(kept=False)
        tools.journal.forget_container(self._container_id or self._entry.container_id)

    def _discard(self) -> None:
        self._note(removing=True)
        self._remove()

    def _end(self, *, kept: bool) -> None:
        self._tools.on_step(f"before:{Step.RELEASED}")
        self._reporter.settle(Step.RELEASED, kept=kept)
        self._tools.on_step(f"after:{Step.RELEASED}")
        self._tools.journal.forget(self._order.operation_id)

    def _fail(self, problem: Exception) -> None:
        """Let the server go on and say what happened; what is removed stays removed, and removing goes on if it can."""
        if self._entry.removing:
            stuck = self._retry_removal(problem)
            if stuck is not None:
                self._report_failure(self._say_stuck(stuck))
            return
        try:
            self._start_again()
            state = self._what_is_left()
        except (HubernateError, OSError) as worse:
            _log.error("cannot start the server again", extra={"problem": _say(worse)})
            state = (
                f"Starting it again failed too ({_say(worse)}): it is as {self._tools.engine.name} left it; its "
                "changes are kept"
            )
        attempt = "Saving this server" if self._order.kind is not Kind.DISCARD else "Discarding this server"
        self._report_failure(f"{attempt} failed: {_say(problem)}. {state}.")

    def _report_failure(self, reason: str) -> None:
        try:
            self._reporter.settle(Step.FAILED, reason=reason[:_REASON_MAX])
        except (Aborted, Gone) as ended:
            _log.warning("the failure could not be reported", extra={"problem": ended.message, "reason": reason})
            if isinstance(ended, Gone):
                return
        self._tools.journal.forget(self._order.operation_id)

    def _retry_removal(self, problem: Exception) -> Exception | None:
        """Only removing failed. Keep at it, or leave it to the next agent; returns what trying again cannot help."""
        while isinstance(problem, Unavailable | OSError):
            _log.warning("cannot remove, trying again", extra={"problem": _say(problem)})
            if self._tools.stop.wait(_NOT_YET_S):
                return None
            try:
                self._remove()
                return None
            except (Aborted, Gone):
                return None
            except Exception as again:  # noqa: BLE001 - also a bug: this runs where nobody catches it any more
                _log.info("not removed", exc_info=True)
                problem = again
        return problem

    def _say_stuck(self, problem: Exception) -> str:
        """Containers may be gone already: what a person may rely on is what was saved before."""
        if self._order.kind is Kind.DISCARD:
            attempt, state = "Discarding this server", "Its home and its checkpoints are as they were"
        else:
            attempt, state = "Removing this server's containers", "Its newest state is saved, nothing was lost"
        return f"{attempt} failed: {_say(problem)}. {state}; some of its containers may be removed, others still there."

    def _what_is_left(self) -> str:
        """What a person may rely on after a failure."""
        container = self._tools.engine.inspect(self._entry.container_id)
        if container is None:
            return "The last checkpoint is as it was"
        if container.running and self._deleting:
            return "Its pod is being deleted: what was not saved is lost when its grace period ends, so save again soon"
        if container.running:
            return "The server runs on, nothing was lost"
        return "The server does not run; its container and changes are kept, nothing was lost"

    def _start_again(self) -> None:
        """Start the container if we stopped it and the engine can."""
        if not self._tools.engine.restarts:
            return
        container = self._tools.engine.inspect(self._entry.container_id)
        if container is not None and not container.running and self._entry.stopped and not self._entry.removing:
            self._tools.engine.start(container.id)
            self._note(stopped=False)

    def _find(self) -> Container | None:
        container = self._tools.engine.inspect(self._order.container_id)
        if container is not None:
            self._check_ours(container)
            self._container_id = container.id
        return container

    def _check_ours(self, container: Container) -> None:
        engine, instance = self._tools.engine, self._tools.settings.instance
        check_meant(self._order, container, instance, engine.identity)

    _container_id = ""

    def _note(self, **changes: object) -> None:
        self._entry = self._entry.model_copy(update=changes)
        self._tools.journal.write(self._entry)


def _say(problem: Exception) -> str:
    """What happened, for a person."""
    if isinstance(problem, HubernateError):
        return problem.message.rstrip(".")
    if isinstance(problem, OSError) and problem.errno == 28:
        return "this node's disk is full, so the change could not be spooled; ask an admin to free some space"
    if isinstance(problem, OSError):
        return f"this node's disk failed ({shorten(str(problem), 200)})"
    return f"a bug in the agent ({type(problem).__name__}); an admin finds it in the agent's log"

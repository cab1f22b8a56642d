"""What a start and a stop are doing, as sentences for the person who waits."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any

from hubernate_core.operation import Kind, Operation, Outcome, Step
from hubernate_core.quantity import show_bytes


@dataclass(frozen=True)
class Event:
    """One line of progress. `percent` is of the whole start or stop, 0 to 100; `past` says it once it is over, and is
    empty for what never was. `failed`: it did not succeed, and this says why."""

    message: str
    percent: int
    past: str = ""
    failed: bool = False

    @property
    def topic(self) -> str:
        """The message up to its first number: a page shows only the newest event of neighbours with one topic."""
        return "".join(itertools.takewhile(lambda char: not char.isdigit(), self.message))


class Log:
    """The events of one start or stop: appended by one task, read from the beginning by any number of pages."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._grown = asyncio.Event()
        self._closed = False

    def add(self, message: str, percent: int, past: str = "") -> None:
        """Append an event, unless it says what the last one said."""
        self._append(Event(message, max(0, min(100, percent)), past or message))

    def fail(self, message: str) -> None:
        """Append why it did not succeed: what was going on is not over, and the bar stays where it was."""
        if self.events and not self.events[-1].failed:
            self.events[-1] = replace(self.events[-1], past="")
        self._append(Event(message, self.percent, message, failed=True))

    def _append(self, event: Event) -> None:
        if not self.events or self.events[-1] != event:
            self.events.append(event)
            self._wake()

    def close(self) -> None:
        """No more events will come."""
        self._closed = True
        self._wake()

    @property
    def last(self) -> str:
        """The newest message, or nothing yet."""
        return self.events[-1].message if self.events else ""

    @property
    def percent(self) -> int:
        """How far the newest event was."""
        return self.events[-1].percent if self.events else 0

    @property
    def failed(self) -> bool:
        """Whether the newest event says that it did not succeed."""
        return bool(self.events) and self.events[-1].failed

    async def follow(self) -> AsyncIterator[Event]:
        """Every event from the first one, waiting for new ones until the log is closed."""
        seen = 0
        while True:
            grown = self._grown
            while seen < len(self.events):
                yield self.events[seen]
                seen += 1
            if self._closed:
                return
            await grown.wait()

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


_LOOKING = ("Looking for changes", "Looked for changes")


def tell_operation(operation: Operation) -> Event:
    """What a save or stop is at, with sizes where they are known."""
    if operation.step is Step.FAILED:
        verb = "discarded" if operation.kind is Kind.DISCARD else "saved"
        return Event(f"Not {verb}: {operation.reason or 'the agent gave no reason'}", operation.percent, failed=True)
    if operation.kind is Kind.DISCARD:
        return Event("Discarded" if operation.finished else "Discarding", operation.percent)
    if operation.outcome is Outcome.KEPT:
        return Event(f"Saved, but not stopped: {operation.reason or 'someone uses it'}", operation.percent, failed=True)
    done, stopping = operation.progress, operation.kind is not Kind.SAVE
    change = f"{show_bytes(done.changed_bytes)} of changes" if done.changed_bytes else "your changes"
    sent = show_bytes(done.pushed_bytes)
    so_far = f", {sent} uploaded" if done.pushed_bytes else ""
    copying = (f"Copying {change}{so_far}", f"Copied {change}") if done.changed_bytes else _LOOKING
    upload = f"Uploading {sent} of {show_bytes(done.push_total_bytes)}" if done.push_total_bytes else "Uploading"
    sentences = {
        Step.REQUESTED: ("Waiting for the saving agent", "Asked for the save"),
        Step.QUIESCED: copying,
        Step.FROZEN: ("Standing still for a moment, to copy the last changes", "Stood still for a moment"),
        Step.CAPTURED: (upload, f"Uploaded {sent}"),
        Step.THAWED: (upload, f"Uploaded {sent}"),
        Step.PUSHED: (f"Checking what was uploaded: {sent}", f"Checked what was uploaded: {sent}"),
        Step.VERIFIED: (f"Saved and verified: {change}", ""),
        Step.RECORDED: ("Saved and verified; stopping, and keeping the last changes" if stopping else "Saved", ""),
        Step.RELEASED: ("Stopped" if stopping else "Saved", ""),
    }
    message, past = sentences[operation.step]
    return Event(message, operation.percent, past or message)


class Pull:
    """Adds up a pull's records: "pulling 212 MB, layer 3 of 5"."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int, bool]] = {}

    @property
    def share(self) -> float:
        """Share of the bytes that are here, 0 to 1."""
        total = sum(total for _, total, _ in self._layers.values())
        return sum(done for done, _, _ in self._layers.values()) / total if total else 0.0

    def tell(self, records: Iterable[dict[str, Any]]) -> str | None:
        """The sentence after `records`; None while nothing is known of any layer."""
        for record in records:
            layer, status = str(record.get("id", "")), str(record.get("status", ""))
            detail = record.get("progressDetail") or {}
            had = self._layers.get(layer, (0, 0, False))
            if status == "Downloading":
                self._layers[layer] = (int(detail.get("current", 0)), int(detail.get("total", 0)), False)
            elif status == "Pulling fs layer":
                self._layers[layer] = had
            elif status in ("Pull complete", "Already exists"):
                self._layers[layer] = (had[1], had[1], True)
        if not self._layers:
            return None
        total = sum(total for _, total, _ in self._layers.values())
        done = sum(1 for *_, complete in self._layers.values() if complete)
        size = f"{show_bytes(total)}, " if total else ""
        return f"Fetching the image: {size}{done} of {len(self._layers)} layers"

"""What a person sees while something long runs: one live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

out = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Task:
    """One long piece of work. `say` replaces the live line; elsewhere it prints a line when the text changed."""

    def __init__(self, title: str, status: Status | None) -> None:
        self.title = title
        self._status = status
        self._last = ""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Show what is being done now; `text` is one line."""
        if text == self._last:
            return
        self._last = text
        if self._status is not None:
            self._status.update(f"{self.title}: {_plain(text)[: max(20, out.width - len(self.title) - 6)]}")
        else:
            out.print(f"  {self.title}: {text}", markup=False, soft_wrap=True)

    def count(self, text: str) -> None:
        """Show a figure that changes many times a second; only on a terminal."""
        if self._status is not None:
            self._status.update(f"{self.title}: {_plain(text)}")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


@contextmanager
def task(title: str) -> Iterator[Task]:
    """A piece of work named `title`; says ✓ with its seconds when the body ends well."""
    status = out.status(title) if out.is_terminal else None
    if status is not None:
        status.start()
    else:
        out.print(f"• {title}", markup=False, soft_wrap=True)
    running = Task(title, status)
    try:
        yield running
    except BaseException:
        if status is not None:
            status.stop()
        out.print(f"[red]✗[/] {title}", soft_wrap=True)
        raise
    if status is not None:
        status.stop()
    out.print(f"[green]✓[/] {title} [dim]({running.seconds:.1f} s)[/]", soft_wrap=True)

"""Reading a remote file: the right bytes in any order, few requests for those who read on, little for who jumps."""

import os
import random
import signal
import threading

import pytest

from hubernate.link import link
from hubernate.window import LEAST, MOST, Window

CONTENT = random.Random(1).randbytes(40 * 1024**2)


class Store:
    """Answers ranges, and remembers them. `broken` fails every request that is not waited for."""

    def __init__(self, *, broken: bool = False) -> None:
        self.asked: list[tuple[int, int]] = []
        self.broken, self.reader = broken, threading.get_ident()

    def fetch(self, start: int, stop: int) -> bytes:
        if self.broken and threading.get_ident() != self.reader:
            raise OSError("busy")
        self.asked.append((start, stop))
        return CONTENT[start:stop]

    def window(self) -> Window:
        return Window(0, self.fetch, len(CONTENT))


def read(window: Window, start: int, stop: int) -> bytes:
    found: bytes = window._fetch(start, stop)
    return found


@pytest.mark.parametrize("broken", [False, True], ids=["ahead", "ahead fails"])
@pytest.mark.parametrize("step", [10_000, 1_000_003, 4 * 1024**2, 20 * 1024**2])
def test_from_beginning_to_end_is_every_byte_once(step: int, broken: bool) -> None:
    store = Store(broken=broken)
    window = store.window()
    found = b"".join(read(window, at, at + step) for at in range(0, len(CONTENT), step))
    assert found == CONTENT
    asked = sorted(store.asked)
    assert sum(stop - start for start, stop in asked) == len(CONTENT), "nothing is fetched twice"
    assert len(asked) <= 14 and max(stop - start for start, stop in asked) <= max(MOST, step)


def test_any_order_gives_the_right_bytes() -> None:
    chance, store = random.Random(2), Store()
    window, at = store.window(), 0
    for _ in range(300):
        if chance.random() < 0.3:
            at = chance.randrange(len(CONTENT))
        stop = at + chance.choice([1, 5000, 300_000, 3_000_000])
        assert read(window, at, stop) == CONTENT[at:stop]
        at = min(stop, len(CONTENT))
    assert read(window, len(CONTENT), len(CONTENT) + 5) == b""


def test_who_jumps_about_fetches_little() -> None:
    store = Store()
    window = store.window()
    for at in range(30, 0, -1):
        read(window, at * 1024**2, at * 1024**2 + 100)
    assert sum(stop - start for start, stop in store.asked) <= 30 * LEAST


def test_a_process_that_was_forked_has_threads_and_connections_of_its_own() -> None:
    """As the workers of a PyTorch DataLoader are: with its parent's it would wait for ever, or get others' bytes."""
    store, step, ours = Store(), 1024**2, link()
    window = store.window()
    for at in range(0, 8 * step, step):
        read(window, at, at + step)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        same, fresh = True, store.window()
        for each, begin in ((window, 8 * step), (fresh, 0)):
            for at in range(begin, begin + 12 * step, step):
                same = same and read(each, at, at + step) == CONTENT[at : at + step]
        os._exit(0 if same and link() is not ours else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

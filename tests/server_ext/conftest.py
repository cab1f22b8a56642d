"""Notebooks that end with their test."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support.jupyter_notebook import jupyter_notebook


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Callable[..., httpx.Client]]:
    """Start a notebook; its client. Extra arguments by position, extra environment by keyword."""
    with contextlib.ExitStack() as stack:

        def start(*args: str, **env: str) -> httpx.Client:
            return stack.enter_context(jupyter_notebook(tmp_path, *args, **env))

        yield start

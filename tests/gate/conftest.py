"""A gate between doubles, and browsers: fixtures of every gate test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gate_process import Browser, GateProcess, browser, whole_gate


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[GateProcess]:
    """A gate of Ada's default server."""
    async with whole_gate(tmp_path) as made:
        yield made


@pytest.fixture
async def ada(gate: GateProcess) -> AsyncIterator[Browser]:
    """Ada's browser, logged in."""
    async with browser(gate) as made:
        (await made.login()).close()
        yield made


@pytest.fixture
async def anyone(gate: GateProcess) -> AsyncIterator[Browser]:
    """A browser that has not logged in."""
    async with browser(gate) as made:
        yield made

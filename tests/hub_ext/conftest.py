"""A service per test, on SQLite; without loops unless a test asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.platform_service import Running, running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as found:
        yield found

"""A tenant's rule of culling, for a while."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from support.installation import Installation

TENANT = "analytics"


@contextmanager
def rule(platform: Installation, **culling: str) -> Iterator[None]:
    """The rule of `TENANT` for the block; the service reads the file again by itself."""
    path = platform.state / "tenants.json"
    before = path.read_text()
    tenants = [each | ({"culling": culling} if each["name"] == TENANT else {}) for each in json.loads(before)]
    path.write_text(json.dumps(tenants))
    try:
        yield
    finally:
        path.write_text(before)

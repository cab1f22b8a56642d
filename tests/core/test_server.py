"""What a person may choose at start; anything else is refused (B15)."""

from typing import Any

import pytest
from pydantic import ValidationError

from hubernate_core.errors import InvalidInput
from hubernate_core.server import Start, StartChoice


def test_nothing_chosen_means_continue() -> None:
    assert StartChoice().start is Start.CONTINUE


@pytest.mark.parametrize(
    "bad",
    [
        {"start": "checkpoint"}, {"checkpoint_id": "c123456789"}, {"start": "checkpoint", "checkpoint_id": "../x"},
        {"start": "wipe"}, {"image": "x"}, {"kubespawner_override": {}}, {"start": True},
    ],
    ids=repr,
)  # fmt: skip
def test_smuggled_and_contradicting_choices_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, ValidationError)):
        StartChoice.model_validate(bad)

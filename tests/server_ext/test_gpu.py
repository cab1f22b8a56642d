"""GPU use is read by the driver's own program, and is unknown wherever that says nothing sure."""

from pathlib import Path

import pytest

from hubernate_server.gpu import parse_use, read_use


@pytest.mark.parametrize(
    ("said", "use"),
    [
        ("0\n", 0.0),
        ("3\n97\n", 0.97),
        ("[N/A]\n", None),
        ("12\n[N/A]\n", None),
        ("", None),
        ("No devices", None),
        ("101", None),
    ],
)
def test_the_busiest_gpu_counts_and_what_is_unsure_is_unknown(said: str, use: float | None) -> None:
    assert parse_use(said) == use


def test_it_is_asked_of_the_program_and_a_failing_or_missing_one_says_nothing(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    assert read_use([str(program)]) is None
    for script, use in (("echo 41", 0.41), ("echo 41; exit 9", None)):
        program.write_text(f'#!/bin/sh\n[ "$1" = --query-gpu=utilization.gpu ] || exit 8\n{script}\n')
        program.chmod(0o755)
        assert read_use([str(program)]) == use
    program.write_text("not a program")
    assert read_use([str(program)]) is None

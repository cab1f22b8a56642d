"""How much the GPUs of this notebook are used, where the driver's own program says it. Nothing is guessed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi")
"""Where NVIDIA's container runtime and device plugins put it; a person's own PATH is not searched."""
_QUESTION = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
_TIMEOUT_S = 5.0


def read_use(programs: Sequence[str] = PROGRAMS) -> float | None:
    """Share of the busiest GPU in use, 0 to 1; None where there is none, or its use cannot be read (parts of a GPU).

    Blocks until the program has answered, at most five seconds.
    """
    program = next((each for each in programs if Path(each).is_file()), None)
    if program is None:
        return None
    try:
        done = subprocess.run([program, *_QUESTION], capture_output=True, check=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_use(done.stdout.decode(errors="replace"))


def parse_use(said: str) -> float | None:
    """The largest of the percentages, one a line; None if one of them is none, such as ``[N/A]``."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines or not all(line.isascii() and line.isdigit() and int(line) <= 100 for line in lines):
        return None
    return max(int(line) for line in lines) / 100

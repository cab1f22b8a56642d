"""The CPU build of PyTorch for profile "torch": obtained on this machine, because not every index has it."""

import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hubernate_core.errors import shorten

IMAGE_PYTHON = "3.11"
DOWNLOAD_S = 900


@dataclass(frozen=True)
class Wheel:
    """A downloaded wheel; its folder goes away with the object."""

    path: Path
    _folder: "tempfile.TemporaryDirectory[str]"


def pinned(lock: str) -> str:
    """The requirement of torch in a lock file: ``torch==2.13.0+cpu``."""
    match = re.search(r"^torch==\S+$", lock, re.MULTILINE)
    if match is None:
        raise ValueError("the lock of profile torch pins no torch")
    return match[0]


def find_wheel(lock: str) -> tuple[Wheel | None, str]:
    """The wheel that `lock` pins, by this machine's pip and its configuration; or None and why not.

    The pin carries ``+cpu``: an index with CUDA builds only (several GB that nobody here can use) has no match.
    """
    folder = tempfile.TemporaryDirectory(prefix="hubernate-torch-")
    arch = platform.machine()
    platforms = [f"--platform=manylinux_2_{minor}_{arch}" for minor in (17, 28, 34)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
               f"--python-version={IMAGE_PYTHON}", *platforms, "--dest", folder.name, pinned(lock)]  # fmt: skip
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
    except subprocess.TimeoutExpired:
        return None, f"downloading {pinned(lock)} took over {DOWNLOAD_S} s"
    wheels = sorted(Path(folder.name).glob("torch-*.whl"))
    if answer.returncode or not wheels:
        last = answer.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        return None, (
            f"no CPU build of PyTorch can be had here ({shorten(last[0], 160)}). Add where it lies to pip's find-links "
            "or extra-index-url and run `hubernate images build` again"
        )
    return Wheel(wheels[0], folder), ""

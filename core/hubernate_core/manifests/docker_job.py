"""The container of one attempt at a job on Docker: hardened as a notebook's, in its tenant's network, with no token."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .. import names
from ..image_ref import parse_image
from ..job_request import OWN_FOLDER, Work
from ..names import JobId, TenantId
from ..notebook import CA_BUNDLE
from ..profile import Profile
from .docker import NOTEBOOK_USER, ContainerSpec, ca_mount, environment, for_user_code, home_mount, trust

FOLDER = "/job"
"""Where a job's files are, and where it runs; its outputs are paths below it."""
RUN_NOTEBOOK = f"{FOLDER}/{OWN_FOLDER}/run_notebook.py"
NOTEBOOK_FILE = f"{FOLDER}/{OWN_FOLDER}/notebook.json"
"""Which notebook, and its parameters."""
RUN_FUNCTION = f"{FOLDER}/{OWN_FOLDER}/run_function.py"
FUNCTION_FILE = f"{FOLDER}/{OWN_FOLDER}/function.json"
"""Its parameters."""
LOG = "/run/hubernate/log"
"""A file of the service's, which all output goes to: the engine's own logs lose bytes where they turn over, or change
what is no UTF-8 (seen with 20.10)."""
METRICS = "/run/hubernate/metrics"
"""Another one, which `hubernate.log_metric` appends to."""
STOP_S = 10
"""Between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class JobContainer:
    """What one attempt is made of. `home_volume` empty: no home; `log` and `metrics` are files of this machine's."""

    instance: str
    job: JobId
    attempt: int
    tenant: TenantId
    image: str
    log: str
    metrics: str
    profile: Profile
    work: Work
    home_volume: str = ""
    home_read_only: bool = True
    mirrors: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: str = ""


def job_container(spec: JobContainer) -> ContainerSpec:
    """The engine's name and body of one attempt.

    Raises:
        InvalidInput: the image has no digest.
    """
    parse_image(spec.image, "image", need_digest=True)
    mounts = [home_mount(spec.home_volume, read_only=spec.home_read_only)] if spec.home_volume else []
    mounts += [ca_mount(spec.ca_bundle)] if spec.ca_bundle else []
    mounts.append({"Type": "bind", "Source": spec.log, "Target": LOG})
    mounts.append({"Type": "bind", "Source": spec.metrics, "Target": METRICS})
    return ContainerSpec(
        name=names.job_container(spec.instance, spec.job, spec.attempt),
        body={
            "Image": spec.image,
            "User": NOTEBOOK_USER,
            "WorkingDir": FOLDER,
            "Entrypoint": [],
            "Cmd": command(spec.work),
            "Env": environment(_variables(spec)),
            "Labels": labels(spec.instance) | {
                names.TENANT_LABEL: spec.tenant,
                names.JOB_LABEL: spec.job,
                names.ATTEMPT_LABEL: str(spec.attempt),
            },
            "StopTimeout": STOP_S,
            "HostConfig": for_user_code(spec.profile.resources, {"Type": "none", "Config": {}})
            | {"NetworkMode": names.tenant_network(spec.instance, spec.tenant), "Mounts": mounts},
        },
    )  # fmt: skip


def labels(instance: str) -> dict[str, str]:
    """By which a job's containers are found again."""
    return {names.INSTANCE_LABEL: names.check_instance(instance), names.ROLE_LABEL: "job"}


def command(work: Work) -> list[str]:
    """What is run, word by word. The shell only opens the log, and is then no more."""
    return ["sh", "-c", f'exec "$@" >>{LOG} 2>&1', "job", *_program(work)]


def _program(work: Work) -> list[str]:
    if work.kind == "notebook":
        return ["/opt/lab/bin/python", "-I", "-u", RUN_NOTEBOOK, NOTEBOOK_FILE]
    if work.kind == "function":
        return ["python", "-u", RUN_FUNCTION, FUNCTION_FILE]
    program = ["python", "-u"] if work.script.endswith(".py") else ["sh"]
    return [*program, work.script, *work.args]


def _variables(spec: JobContainer) -> dict[str, str]:
    # Programs that write below the home by habit must not fail where it is read-only.
    scratch = {"JUPYTER_RUNTIME_DIR": "/tmp/jupyter", "IPYTHONDIR": "/tmp/ipython", "MPLCONFIGDIR": "/tmp/matplotlib"}
    own = {"HUBERNATE_JOB": spec.job, "HUBERNATE_JOB_ATTEMPT": str(spec.attempt), "PYTHONUNBUFFERED": "1"}
    own["HUBERNATE_METRICS"] = METRICS
    return {
        **trust(CA_BUNDLE if spec.ca_bundle else ""),
        **spec.mirrors,
        **({} if spec.home_volume and not spec.home_read_only else scratch),
        **spec.profile.env,
        **own,
    }

"""What a person asks for when they submit a job: one schema for API, SDK and command line. No shell sees it (B29)."""

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from .errors import InvalidInput, shorten
from .job import Priority
from .job_files import RESULT_FILE
from .names import JobId, check_id, check_profile_name, check_server_name

ARGUMENTS_BYTES = 128 * 1024
"""Of all arguments, or all parameters, together; Linux takes 128 KiB for one."""
NAME_BYTES = 255
"""Of one file's or folder's name, on every file system that matters."""
DAY_S = 24 * 3600
OWN_FOLDER = ".hubernate"
"""In the job's folder: what the platform puts there beside the person's files."""


def check_job_path(path: str, field: str) -> str:
    """`path` if it names something below the job's folder.

    Raises:
        InvalidInput: absolute, empty, with ``..``, a control character, over 1000 bytes (a name on the way over 255),
            or in our own folder.
    """
    parts = path.split("/")
    if not path or len(path.encode(errors="replace")) > 1000 or not path.isprintable():
        raise InvalidInput(field, f"{shorten(path, 60)!r}: a path has 1 to 1000 printable characters")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(field, f"{shorten(path, 60)!r}: write a path below the job's folder, such as 'out/model.pt'")
    if any(len(part.encode(errors="replace")) > NAME_BYTES for part in parts):
        raise InvalidInput(field, f"{shorten(path, 60)!r}: a file's or folder's name has at most {NAME_BYTES} bytes")
    if parts[0] == OWN_FOLDER:
        raise InvalidInput(field, f"{OWN_FOLDER!r} belongs to the platform; choose another name")
    return path


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptJob(_Kind):
    """A Python (``.py``) or shell (``.sh``) script among the job's files, run in the environment it is submitted to."""

    kind: Literal["script"]
    script: str = Field(description="its path among the files")
    args: tuple[str, ...] = Field((), max_length=1000, description="passed as they are; no shell looks at them")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_job_path(self.script, "work.script")
        if not self.script.endswith((".py", ".sh")):
            raise InvalidInput("work.script", f"{shorten(self.script, 60)!r}: a script's name ends in .py or .sh")
        if sum(len(each.encode(errors="replace")) + 1 for each in self.args) > ARGUMENTS_BYTES:
            raise InvalidInput("work.args", f"over {ARGUMENTS_BYTES} bytes in all; put them in a file")
        if any("\0" in each for each in self.args):
            raise InvalidInput("work.args", "an argument holds no NUL character")
        return self

    @property
    def label(self) -> str:
        """What a list calls it."""
        return self.script

    @property
    def keeps(self) -> tuple[str, ...]:
        """Files that are kept without being asked for."""
        return ()


class NotebookJob(_Kind):
    """A notebook, run cell by cell; it is written after each, so that what was computed is kept when one fails."""

    kind: Literal["notebook"]
    notebook: str = Field(description="its path among the files; ends in .ipynb")
    parameters: dict[str, JsonValue] = Field(
        {}, max_length=100, description="assigned after the cell tagged 'parameters', or before the first one"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_job_path(self.notebook, "work.notebook")
        if not self.notebook.endswith(".ipynb"):
            raise InvalidInput("work.notebook", f"{shorten(self.notebook, 60)!r}: a notebook's name ends in .ipynb")
        _check_parameters(self.parameters)
        return self

    @property
    def label(self) -> str:
        """What a list calls it."""
        return self.notebook

    @property
    def keeps(self) -> tuple[str, ...]:
        """Files that are kept without being asked for."""
        return (self.notebook,)


class FunctionJob(_Kind):
    """A Python function: `job_files.CALL_FILE` among the job's files is what is called, `RESULT_FILE` is what came of
    it. The SDK makes the one and reads the other; the platform looks into neither.
    """

    kind: Literal["function"]
    function: str = Field(min_length=1, max_length=200, description="its name, for people")
    parameters: dict[str, JsonValue] = Field(
        {}, max_length=100, description="keyword arguments, beside those of the call"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.function.isprintable():
            raise InvalidInput("work.function", "up to 200 printable characters on one line")
        _check_parameters(self.parameters)
        return self

    @property
    def label(self) -> str:
        """What a list calls it."""
        return self.function

    @property
    def keeps(self) -> tuple[str, ...]:
        """Files that are kept without being asked for."""
        return (RESULT_FILE,)


def _check_parameters(parameters: dict[str, JsonValue]) -> None:
    for name in parameters:
        if not name.isidentifier():
            raise InvalidInput("work.parameters", f"{shorten(name, 40)!r} is no name of a Python variable")
    if len(json.dumps(parameters)) > ARGUMENTS_BYTES:
        raise InvalidInput("work.parameters", f"over {ARGUMENTS_BYTES} bytes in all, as JSON; put them in a file")


Work = Annotated[ScriptJob | NotebookJob | FunctionJob, Field(discriminator="kind")]


class JobRequest(BaseModel):
    """One job. `id` is the caller's: the same request under the same id again is the same job."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: JobId = Field(description="ten characters, a lower-case letter first, then those and digits; chosen at random")
    name: str = Field("", max_length=120, description="for people")
    work: Work
    env: str = Field(
        "current",
        max_length=60,
        description="'current': the environment of the notebook that asks, saved first where it changed;"
        " 'checkpoint:ID', 'image:NAME' (a team image), or 'profile': the profile's own image",
    )
    profile: str = Field("", description="resources and variables; empty: those of the environment's own profile")
    files: str = Field(
        "", pattern=r"^([0-9a-f]{64})?$", description="sha256 of a tar that was sent before; empty: none"
    )
    outputs: tuple[str, ...] = Field((), max_length=50, description="files and folders to keep, below the job's folder")
    group: str = Field(
        "", pattern=r"^([a-z][a-z0-9]{9})?$", description="jobs that belong together, such as a sweep; as an id"
    )
    after: tuple[JobId, ...] = Field(
        (), max_length=50, description="jobs that have to succeed before; where one does not, this one never starts"
    )
    priority: Priority = Priority.NORMAL
    retries: int = Field(0, ge=0, le=10, description="further attempts after one that failed")
    preemptible: bool = Field(
        True, description="where the team's setting allows it, it may be stopped and run again for a higher priority"
    )
    timeout_s: int = Field(DAY_S, ge=1, le=30 * DAY_S, description="seconds that one attempt may run")
    home: Literal["none", "read-only", "read-write"] = Field("read-only", description="the home folder in the job")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_id(self.id, "id")
        if self.name != self.name.strip() or not self.name.isprintable():
            raise InvalidInput("name", "up to 120 printable characters on one line")
        if self.profile:
            check_profile_name(self.profile)
        for each in self.after:
            check_id(each, "after")
        for path in self.outputs:
            check_job_path(path, "outputs")
        kind, colon, name = self.env.partition(":")
        if kind == "checkpoint" and colon:
            check_id(name, "env")
        elif kind == "image" and colon and name:
            check_server_name(name)
        elif self.env not in ("current", "profile"):
            raise InvalidInput("env", "choose current, profile, image:NAME or checkpoint:ID")
        if self.env == "profile" and not self.profile:
            raise InvalidInput("profile", "env is 'profile': say which one")
        return self

    @property
    def label(self) -> str:
        """Its name, or what it runs."""
        return self.name or self.work.label

"""Profiles: what a person may choose to start. Users choose a name; everything else stands in the catalogue."""

import re
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .errors import InvalidInput
from .grammar import check_labels
from .image_ref import parse_image
from .names import check_profile_name
from .quantity import Bytes, MilliCpu, parse_count
from .scheduling import Scheduling

_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_ENV_DENIED = frozenset({"PATH", "PYTHONPATH", "PYTHONHOME", "HOME", "USER", "SHELL", "BASH_ENV", "ENV"})
_ENV_DENIED_PREFIXES = ("LD_", "JUPYTERHUB_", "JPY_", "KUBERNETES_", "NVIDIA_", "HUBERNATE_")
_ENV_VALUE_MAX = 4096


def check_env(name: str, value: str) -> None:
    """Refuse environment that would steer the platform rather than the user's program (B17).

    Raises:
        InvalidInput: a bad or denied name, or a value with a line break, NUL, or over 4 KiB.
    """
    field = f"env.{name[:64]}"
    if not _ENV_NAME.fullmatch(name):
        raise InvalidInput(field, "a variable's name has up to 64 of A-Z, 0-9 and _, not a digit first")
    if name in _ENV_DENIED or name.startswith(_ENV_DENIED_PREFIXES):
        raise InvalidInput(field, "this variable belongs to the platform")
    if len(value) > _ENV_VALUE_MAX or any(char in value for char in "\0\n\r"):
        raise InvalidInput(field, f"a value has at most {_ENV_VALUE_MAX} characters and no line break")


class Resources(BaseModel):
    """Limits of one notebook. Written as Kubernetes quantities, held as numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    cpu: MilliCpu = Field(description="thousandths of a core; written '2' or '500m'")
    memory: Bytes = Field(description="bytes; written '4Gi'")
    pids: Annotated[int, BeforeValidator(lambda text: parse_count(text, "pids", 100_000))] = Field(
        1024, ge=16, description="processes and threads"
    )


class Profile(BaseModel):
    """One entry of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str = Field(max_length=60)
    description: str = Field("", max_length=300)
    image: str = Field(description="registry/repository@sha256:… of the profile's image")
    resources: Resources
    env: dict[str, str] = {}
    labels: dict[str, str] = Field({}, description="what rules of culling match profiles by: {'class': 'gpu'}")
    kubernetes: Scheduling = Field(Scheduling(), description="where and with what it runs on Kubernetes")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_profile_name(self.name)
        parse_image(self.image, need_digest=True)
        for name, value in self.env.items():
            check_env(name, value)
        check_labels(self.labels, "labels")
        self.kubernetes.check_within(self.resources.cpu, self.resources.memory)
        return self


def read_profile(data: dict[str, Any]) -> Profile:
    """A profile from untyped data (a catalogue file).

    Raises:
        InvalidInput: naming the first bad field.
    """
    try:
        return Profile.model_validate(data)
    except ValidationError as problem:
        first = problem.errors()[0]
        path = ".".join(("profile", *(str(part) for part in first["loc"])))
        raise InvalidInput(path, first["msg"]) from problem

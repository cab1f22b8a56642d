"""Which platform a command speaks to: contexts with a name, an address and a token, in one private file."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hubernate_core.errors import Broken, NotFound


class Target(BaseModel):
    """One platform and a person's token for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    token: str = Field(repr=False)


class Contexts(BaseModel):
    """Every platform that was logged in to."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    current: str = ""
    targets: dict[str, Target] = {}

    def target(self, name: str) -> Target:
        """The context `name`, or the current one.

        Raises:
            NotFound: there is none.
        """
        wanted = name or self.current
        if not wanted and self.targets:
            known = ", ".join(sorted(self.targets))
            raise NotFound(f"no context is the current one; run 'hubernate contexts use NAME' (known: {known})")
        if wanted not in self.targets:
            known = ", ".join(sorted(self.targets)) or "none"
            raise NotFound(f"no context {wanted!r} (known: {known}); run 'hubernate login URL' first")
        return self.targets[wanted]


def contexts_file() -> Path:
    """Where contexts are kept."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "hubernate" / "contexts.json"


def read_contexts() -> Contexts:
    """What is kept; empty where nobody logged in yet.

    Raises:
        Broken: the file cannot be read.
    """
    path = contexts_file()
    try:
        return Contexts.model_validate_json(path.read_text()) if path.exists() else Contexts()
    except (OSError, ValidationError) as problem:
        raise Broken(f"cannot read {path}: {type(problem).__name__}; mend or remove it, then log in again") from problem


def write_contexts(contexts: Contexts) -> None:
    """Keep `contexts`, readable by this person only from the first byte on."""
    path = contexts_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(contexts.model_dump(), file)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise

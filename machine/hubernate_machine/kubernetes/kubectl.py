"""kubectl as this person has it set up: context, credentials, plugins. Secrets go through standard input."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import Conflict, NotAllowed, Unavailable, shorten

CALL_S = 60


@dataclass(frozen=True)
class Kubectl:
    """One cluster and namespace. `context` empty: the current one.

    Every method raises NotAllowed (kubectl is missing, or forbidden), Conflict (changed meanwhile, or there already) or
    Unavailable (everything else that kubectl says).
    """

    namespace: str
    context: str = ""

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """One object, None when there is none."""
        text = self.run(["get", kind, name, "--output=json", "--ignore-not-found"])
        return json.loads(text) if text.strip() else None

    def create(self, thing: Mapping[str, Any]) -> None:
        """Create an object that must not be there yet."""
        self.run(["create", "--filename=-"], json.dumps(thing))

    def merge(self, kind: str, name: str, change: Mapping[str, Any]) -> None:
        """Change an object; with a resourceVersion in `change`, only that very version."""
        self.run(["patch", kind, name, "--type=merge", "--patch-file=/dev/stdin"], json.dumps(change))

    def run(self, arguments: Sequence[str], text: str = "") -> str:
        """What kubectl prints."""
        program = shutil.which("kubectl")
        if program is None:
            raise NotAllowed(
                "kubectl is not on the PATH. Nothing was changed. Install it and choose your cluster with it."
            )
        context = [f"--context={self.context}"] if self.context else []
        try:
            done = subprocess.run(
                [program, *context, f"--namespace={self.namespace}", *arguments],
                input=text, capture_output=True, text=True, timeout=CALL_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as problem:
            raise Unavailable(f"kubectl {arguments[0]} gave no answer for {CALL_S} s. Run it again.") from problem
        if done.returncode:
            raise _problem(arguments[0], shorten(done.stderr.strip(), 400))
        return done.stdout


def _problem(verb: str, said: str) -> Exception:
    message = f"kubectl {verb}: {said}"
    if "Forbidden" in said or "forbidden" in said:
        return NotAllowed(f"{message}. Nothing was changed.")
    if "AlreadyExists" in said or "Conflict" in said:
        return Conflict(f"{message}. Somebody else was at it; nothing was changed. Run it again.")
    return Unavailable(f"{message}. Nothing was changed.")

"""`hubernate doctor --kubernetes` over a platform of a test's."""

import json
import subprocess
from typing import Any

from support.cluster_platform import Platform
from support.installation import HUBERNATE, ROOT


def examine(platform: Platform) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit code, and its findings by what they are about."""
    command = [str(HUBERNATE), "doctor", "--kubernetes", f"--namespace={platform.instance}", "-o", "json"]
    done = subprocess.run(command, cwd=ROOT, env=platform.environment, text=True, capture_output=True, check=False)
    assert done.stdout.startswith("["), done.stderr
    return done.returncode, {each["what"]: each for each in json.loads(done.stdout)}

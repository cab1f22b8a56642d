"""How long a resume takes against a clean start of the same profile: from the click to JupyterLab answering.

    python bench/resume.py [--rounds 3] [--payload-mb 300]

A platform of its own is started; the environment gets `payload-mb` of files, half of them compressible. Clean starts
and resumes take turns.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from figures import report
from support.installation import Installation, installed, wait_until
from support.person import Person

PAYLOAD = (
    "import os, pathlib\n"
    "folder = pathlib.Path('/opt/env/payload'); folder.mkdir(exist_ok=True)\n"
    "for number in range({files}):\n"
    "    data = os.urandom(50_000) + b'x' * 50_000\n"
    "    (folder / str(number)).write_bytes(data)\n"
)


def seconds_to_lab(person: Person, **options: Any) -> float:
    """Start with `options`; seconds until JupyterLab's page is served through proxy and gate."""
    begun = time.monotonic()
    person.start(**options)
    wait_until("JupyterLab answers", lambda: person.notebook("GET", "lab").status_code == 200, every_s=0.05)
    return time.monotonic() - begun


def ready_on_node(platform: Installation, person: Person) -> None:
    """Wait until the agent has made the newest checkpoint ready, as it has long before a person comes back."""
    import docker

    newest = person.checkpoints()[0]
    reference = f"{platform.settings['registry']}/{newest['repository']}@{newest['digest']}"
    engine = docker.from_env()
    wait_until(
        "the saved image is ready on the node",
        lambda: any(reference in (image.attrs.get("RepoDigests") or []) for image in engine.images.list()),
        timeout_s=180,
    )


def main() -> None:
    """Measure and report `resume.ratio_to_clean_start`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--payload-mb", type=int, default=300)
    chosen = arguments.parse_args()
    clean: list[float] = []
    resumed: list[float] = []
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder)) as platform:
        person, other = platform.person("ada"), platform.person("linus")
        person.start(profile="base", tenant="research")
        person.run(PAYLOAD.format(files=chosen.payload_mb * 10))
        person.stop(wait_s=300)
        for _ in range(chosen.rounds):
            clean.append(seconds_to_lab(other, profile="base", tenant="analytics", start="clean"))
            other.stop()
            ready_on_node(platform, person)
            resumed.append(seconds_to_lab(person, profile="base", tenant="research"))
            person.stop(wait_s=300)
    against = "a clean start of the same profile"
    report("resume.seconds", statistics.median(resumed), "s", against)
    report("resume.clean_start_seconds", statistics.median(clean), "s", against)
    ratios = [one / other_ for one, other_ in zip(resumed, clean, strict=True)]
    report("resume.ratio_to_clean_start", statistics.median(ratios), "x", against)


if __name__ == "__main__":
    main()

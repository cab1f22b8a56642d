"""Saving and resuming on a real cluster: against containerd's own Diff and a push, and against a clean start.

    KUBECONFIG=… python bench/kube_save.py [--rounds 3] [--paths 60000]

A whole platform is installed in namespaces of its own. Payload 1: the usual packages, installed by pip in a notebook.
Payload 2: one small file changed above many paths. The peer takes the very same container right after our save:
`ctr snapshots diff` (containerd's Diff service) and an upload to the same registry. Needs ctr and the nodes' sockets on
this machine.
"""

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx

from figures import note, report
from hubernate_core.names import new_id
from support.cluster import NO_CLUSTER, REGISTRY, find_cluster
from support.cluster_platform import Platform, platform_on
from support.installation import wait_until
from support.person import Person

PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "pyarrow")
_PEER = "containerd Diff (ctr) + upload"


def saved(person: Person, name: str) -> float:
    """Seconds from "save" to verified and recorded."""
    begun = time.monotonic()
    operation = person.save(name, wait_s=900)
    assert operation["step"] == "released", operation
    return time.monotonic() - begun


def diffed_and_pushed(platform: Platform, person: Person) -> tuple[float, int]:
    """Seconds that containerd's Diff and an upload of its layer take for the same container; bytes of the layer."""
    pod = platform.pod_of(person)
    status = next(each for each in pod["status"]["containerStatuses"] if each["name"] == "notebook")
    ctr = platform.ctr(pod["spec"]["nodeName"])
    container = status["containerID"].partition("//")[2]
    with tempfile.TemporaryFile() as layer:
        begun = time.monotonic()
        # The layer goes to standard output; in containerd it is garbage once this ends.
        subprocess.run([*ctr, "snapshots", "diff", container], stdout=layer, check=True, timeout=900)
        size = layer.tell()
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        layer.seek(0)
        with httpx.Client(base_url=f"http://{REGISTRY}", timeout=600) as client:
            place = client.post(f"/v2/peer/{new_id()}/blobs/uploads/").headers["Location"]
            mark = "&" if "?" in place else "?"
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            client.put(f"{place}{mark}digest=sha256:{digest}", content=layer, headers=headers).raise_for_status()
        return time.monotonic() - begun, size


def install_packages(person: Person) -> None:
    """Payload 1, as a person does it; the platform points pip at this machine's mirror."""
    note(f"installing {' '.join(PACKAGES)}")
    person.shell(f"pip install -q --ignore-installed --no-cache-dir {' '.join(PACKAGES)}", timeout_s=900)


def compared(platform: Platform, person: Person, what: str) -> float:
    """How many times faster our save is than the peer, for what the container of `person` holds now."""
    ours = saved(person, what)
    theirs, size = diffed_and_pushed(platform, person)
    note(f"{what}: ours {ours:.2f} s, containerd {theirs:.2f} s ({size / 1e6:.0f} MB)")
    return theirs / ours


def measure_packages(platform: Platform, person: Person, rounds: int) -> float:
    """Payload 1, each round in a server of its own: nothing of the last round is there to build on."""
    ratios = []
    for number in range(rounds):
        fresh = person.at(f"round{number}")
        fresh.start(profile="base", tenant="research", start="clean", wait_s=300)
        install_packages(fresh)
        ratios.append(compared(platform, fresh, f"packages {number}"))
        fresh.stop(wait_s=600)
    return statistics.median(ratios)


def measure_one_file(platform: Platform, person: Person, rounds: int) -> float:
    """Payload 2: one file more each round, above what was saved before. The peer has no "before"."""
    ratios = []
    for number in range(rounds):
        person.shell(f"head -c 1000 /dev/urandom > /opt/env/file{number}")
        ratios.append(compared(platform, person, f"one file {number}"))
    return statistics.median(ratios)


def seconds_to_lab(person: Person, **options: Any) -> float:
    """Start with `options`; seconds until JupyterLab's page is served through proxy and gate."""
    begun = time.monotonic()
    person.start(wait_s=300, **options)
    wait_until("JupyterLab answers", lambda: person.notebook("GET", "lab").status_code == 200, every_s=0.05)
    return time.monotonic() - begun


def stopped(platform: Platform, person: Person) -> float:
    """Seconds from the click on stop until the pod is deleted."""
    server, begun = person.platform_server()["id"], time.monotonic()
    person.stop(wait_s=600)
    wait_until("the pod is gone", lambda: not platform.pods(server), every_s=0.1)
    return time.monotonic() - begun


def ready_on_its_node(platform: Platform, person: Person, node: str) -> None:
    """Wait until the newest checkpoint is ready on its node, as it is long before a person comes back."""
    newest = person.checkpoints()[0]
    name = f"{REGISTRY}/{newest['repository']}@{newest['digest']}"
    listing = [*platform.ctr(node), "images", "ls", "-q"]
    wait_until(
        "the saved image is ready on the node",
        lambda: name in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split(),
        timeout_s=300,
    )


def measure_resume(platform: Platform, person: Person, other: Person, rounds: int) -> None:
    """Stop, resume on the same node, and a clean start of somebody else, in turns."""
    stops, clean, resumed = [], [], []
    for number in range(rounds):
        node = platform.pod_of(person)["spec"]["nodeName"]
        stops.append(stopped(platform, person))
        clean.append(seconds_to_lab(other, profile="base", tenant="analytics", start="clean"))
        other.stop(wait_s=300)
        ready_on_its_node(platform, person, node)
        resumed.append(seconds_to_lab(person, profile="base", tenant="research"))
        same = platform.pod_of(person)["spec"]["nodeName"] == node
        note(
            f"resume {number}: {resumed[-1]:.2f} s on {'the same' if same else 'another'} node, clean {clean[-1]:.2f},"
            f" stop {stops[-1]:.2f} s"
        )
    against = "a clean start of the same profile"
    report("kube-save.stop_s", statistics.median(stops), "s", "")
    report("kube-save.resume_s", statistics.median(resumed), "s", against)
    ratios = [one / another for one, another in zip(resumed, clean, strict=True)]
    report("kube-save.resume_ratio", statistics.median(ratios), "x", against)


def main() -> None:
    """Measure and report."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--paths", type=int, default=60_000)
    chosen = arguments.parse_args()
    cluster = find_cluster()
    if cluster is None:
        raise SystemExit(f"kube-save needs a real cluster. {NO_CLUSTER}")
    with tempfile.TemporaryDirectory() as folder, platform_on(cluster, Path(folder)) as platform:
        person, other = platform.person("ada"), platform.person("linus")
        report("kube-save.times_faster", measure_packages(platform, person, chosen.rounds), "x", _PEER)
        person.start(profile="base", tenant="research", start="clean", wait_s=300)
        install_packages(person)
        measure_resume(platform, person, other, chosen.rounds)
        person.shell(
            "mkdir /opt/env/many && cd /opt/env/many && python -c '"
            "import os\n"
            f"for n in range({chosen.paths // 100}):\n"
            ' os.mkdir(str(n)); [open(f"{n}/{m}", "w").close() for m in range(100)]\''
        )
        stopped(platform, person)
        person.start(profile="base", tenant="research", wait_s=300)
        faster = measure_one_file(platform, person, chosen.rounds)
        report("kube-save.one_file_times_faster", faster, "x", _PEER)


if __name__ == "__main__":
    main()

"""Parts of the platform are away, slow, full or lose things while a person works; nothing is lost, and they know."""

import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker
import httpx
import pytest

from support.at_work import ask_to_stop, browser, checkpoint_ids, come_back, newest, only_notebook, open_stop, working
from support.engine import free_port, is_root
from support.faulty import Fault, FaultyProxy
from support.installation import Installation, wait_until
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(600)]


def page_of(person: Person) -> str:
    """The page of their servers, as text."""
    headers = {"Authorization": f"token {person.token}", "Accept": "text/html"}
    return httpx.get(f"{person.url}/services/hubernate/", headers=headers, timeout=30).text


def test_a_stop_waits_for_an_agent_that_is_away(platform: Installation) -> None:
    """F12: waits, says so, keeps the server; goes on when the agent is back."""
    person, mark = working(platform, "ada")
    agent = platform.containers("agent")[0]
    agent.stop(timeout=5)
    try:
        operation = ask_to_stop(person)
        noted = wait_until("the person is told", lambda: newest(person)["progress"]["note"], timeout_s=60)
        assert re.search(r"agent on node local has not answered since \d\d:\d\d UTC; your server keeps running", noted)
        assert noted in page_of(person)
        assert only_notebook(platform, person).status == "running"
        assert (person.server() or {})["pending"] == "stop", "not called stopped before it is"
    finally:
        agent.start()
    assert person.finished(operation["id"])["outcome"] == "stopped"
    come_back(person, mark)


@pytest.fixture(scope="module")
def behind_proxy(platform: Installation) -> Iterator[FaultyProxy]:
    """The platform's own registry behind a proxy that fails on purpose, at the address that everyone uses."""
    config = platform.state / "run" / "registry.yml"
    before, port, moved = config.read_text(), platform.settings["ports"]["registry"], free_port()
    config.write_text(before.replace(f"127.0.0.1:{port}", f"127.0.0.1:{moved}"))
    platform.supervisor("restart", "registry")
    proxy = FaultyProxy(moved, listen=port)
    try:
        answers(f"http://127.0.0.1:{moved}/v2/")
        yield proxy
    finally:
        proxy.close()
        config.write_text(before)
        platform.supervisor("restart", "registry")
        answers(f"http://127.0.0.1:{port}/v2/")


@pytest.fixture
def registry(behind_proxy: FaultyProxy) -> Iterator[FaultyProxy]:
    yield behind_proxy
    behind_proxy.rule = lambda method, path, count: None


def answers(url: str) -> None:
    def asked() -> bool:
        try:
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(f"{url} answers", asked)


def test_a_busy_slow_registry_delays_the_save_and_nobody_else(platform: Installation, registry: FaultyProxy) -> None:
    """F04: 429 first, then a crawl; the hub stays quick meanwhile (P7)."""
    person, mark = working(platform, "ada")
    refused: list[str] = []

    def slow(method: str, path: str, count: int) -> Fault | None:
        if method == "POST" and len(refused) < 2:
            refused.append(path)
            return Fault(429, {"Retry-After": "1"})
        return Fault(bytes_per_s=6_000_000) if method == "PATCH" else None

    registry.rule = slow
    operation = ask_to_stop(person)
    slowest = 0.0
    while open_stop(person):
        begun = time.monotonic()
        assert person.ask("GET", "/hub/api/").status_code == 200
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.1)
    assert slowest < 2, "the hub waited for the registry"
    assert person.finished(operation["id"])["outcome"] == "stopped"
    assert len(refused) == 2
    come_back(person, mark)


def test_a_registry_that_loses_what_it_took_is_not_believed(platform: Installation, registry: FaultyProxy) -> None:
    """F05: the manifest is accepted and then is not there: no checkpoint, the server runs on, the person is told."""
    person, mark = working(platform, "ada")
    before = checkpoint_ids(person)
    registry.rule = lambda method, path, count: (
        Fault(404) if method in ("GET", "HEAD") and "/u-" in path and "/manifests/" in path else None
    )
    operation = person.finished(ask_to_stop(person)["id"])
    assert operation["outcome"] == "failed" and "nothing was lost" in operation["reason"]
    assert not checkpoint_ids(person) - before
    assert only_notebook(platform, person).status == "running"
    wait_until("the hub shows the server again", lambda: (person.server() or {}).get("ready"))
    assert "could not be stopped" in page_of(person)
    assert person.shell("cat /opt/env/mark.txt").strip() == mark


_EATS_MEMORY = """
import os
for pid in filter(str.isdigit, os.listdir('/proc')):
    if int(pid) != os.getpid():
        try:
            open(f'/proc/{pid}/oom_score_adj', 'w').write('1000')
        except OSError:
            pass
eaten = []
while True:
    eaten.append(os.urandom(1 << 24))
"""


def test_a_notebook_out_of_memory_is_saved_as_it_lies(platform: Installation) -> None:
    """F17: the code that eats the memory arranges that the server dies and not the kernel."""
    person, mark = working(platform, "grace")
    dying = only_notebook(platform, person)
    dying.update(mem_limit="500m", memswap_limit="500m")
    person.leave_running(_EATS_MEMORY)
    died = lambda: newest(person).get("trigger") == "died" and newest(person)["outcome"]  # noqa: E731
    wait_until("it died and is saved", died, timeout_s=240)
    assert newest(person)["outcome"] == "stopped"
    assert "ran out of memory" in page_of(person)
    come_back(person, mark)


def test_a_notebook_that_dies_while_it_is_saved_is_saved_as_it_lies(platform: Installation) -> None:
    person, mark = working(platform, "grace", 150_000_000)
    ask_to_stop(person)
    only_notebook(platform, person).kill("SIGKILL")
    gone = lambda: not platform.containers("notebook", person.platform_server()["id"])  # noqa: E731
    wait_until("its newest state is saved", gone, timeout_s=120)
    come_back(person, mark)


@contextmanager
def small_disk(platform: Installation, size: str) -> Iterator[None]:
    """The agent's state folder on a disk of `size`."""
    folder = platform.state / "agent"
    agent = platform.containers("agent")[0]
    agent.stop(timeout=10)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        agent.start()
        yield
    finally:
        agent.stop(timeout=10)
        subprocess.run(["umount", str(folder)], check=True)
        agent.start()


def test_a_full_disk_of_the_agent_fails_the_save_and_keeps_the_server(platform: Installation) -> None:
    """F19."""
    if not is_root():
        pytest.skip("only root can mount the small disk of this test")
    person, mark = working(platform, "linus", 60_000_000)
    with small_disk(platform, "8m"):
        operation = person.finished(ask_to_stop(person)["id"])
        assert operation["outcome"] == "failed"
        assert "disk is full" in operation["reason"] and "nothing was lost" in operation["reason"]
        assert only_notebook(platform, person).status == "running"
        left = [path for path in (platform.state / "agent").rglob("*") if path.is_file() and path.stat().st_size > 1e6]
        assert not left, "the half-written spool is removed"
    wait_until("the hub shows the server again", lambda: (person.server() or {}).get("ready"))
    assert person.shell("cat /opt/env/mark.txt").strip() == mark


def test_a_locked_database_refuses_and_forgets_nothing(platform: Installation) -> None:
    """F31: 503 while somebody holds the database, no container goes, and then everything goes on."""
    person, mark = working(platform, "linus")
    server = person.platform_server()
    operation = ask_to_stop(person)
    holder = sqlite3.connect(platform.state / "service" / "hubernate.sqlite", timeout=30, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        refused = person.api("POST", f"/servers/{server['id']}/operations", json={"kind": "save"})
        assert refused.status_code == 503
        assert "nothing was changed" in refused.json()["detail"]
        time.sleep(8)
        assert platform.containers("notebook", server["id"]), "removed although nobody could record it"
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert person.finished(operation["id"])["outcome"] == "stopped"
    come_back(person, mark)


def lose(platform: Installation, checkpoint: dict[str, str]) -> None:
    """Delete a saved image from the registry and from the engine, behind the platform's back."""
    name = f"{platform.settings['registry']}/{checkpoint['repository']}"
    engine = docker.from_env()
    saved = f"{name}@{checkpoint['digest']}"
    # The agent makes it ready in the background: a pull that is under way would bring it back.
    wait_until("the image is ready on the engine", lambda: saved in _digests(engine))
    manifest = f"http://{platform.settings['registry']}/v2/{checkpoint['repository']}/manifests/{checkpoint['digest']}"
    assert httpx.delete(manifest, timeout=30).status_code == 202

    def gone() -> bool:
        try:
            engine.images.remove(saved, force=True)
        except docker.errors.ImageNotFound:
            return True
        return False

    wait_until("the image is gone from the engine", gone)


def _digests(engine: docker.DockerClient) -> set[str]:
    return {digest for image in engine.images.list() for digest in image.attrs["RepoDigests"] or ()}


def failure_of_start(person: Person, **options: str) -> str:
    """What a person is told when a start with `options` does not succeed."""
    answer = person.ask("POST", person.server_path, json=options)
    ended: Callable[[], bool] = lambda: not (person.server() or {}).get("pending")  # noqa: E731
    wait_until("the start has ended", ended)
    assert not (person.server() or {}).get("ready"), "it started"
    return f"{answer.text} {page_of(person)}"


def test_a_lost_checkpoint_is_told_and_an_earlier_one_is_offered(platform: Installation) -> None:
    """F43: never silently empty."""
    person, mark = working(platform, "linus", 1_000_000)
    assert person.save("before")["outcome"] == "saved"
    person.shell("date > /opt/env/mark.txt")
    person.stop()
    lost, earlier = person.checkpoints()[:2]
    lose(platform, lost)
    told = failure_of_start(person)
    assert "is not in the registry any more" in told and "earlier checkpoint" in told
    assert not person.checkpoints()[0]["usable"], "nobody is offered it again"
    with browser(platform, "linus") as tab:
        form = tab.get("/hub/spawn").text
    assert lost["id"] not in form
    assert 'value="continue"' in form and 'value="clean"' in form
    person.start(start="checkpoint", checkpoint_id=earlier["id"], tenant="analytics")
    assert person.shell("cat /opt/env/mark.txt").strip() == mark
    person.stop()


def test_somebody_elses_checkpoint_is_not_started(platform: Installation) -> None:
    ada, _ = working(platform, "ada", 1000)
    assert ada.save("hers")["outcome"] == "saved"
    linus = platform.person("linus")
    told = failure_of_start(linus, start="checkpoint", checkpoint_id=ada.checkpoints()[0]["id"], tenant="analytics")
    assert "no such checkpoint" in told

"""Many jobs of three teams at once, the service killed among them: no quota exceeded, none lost, none doubled."""

import hashlib
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from hubernate_core.names import INSTANCE_LABEL, TENANT_LABEL, new_id
from support.engine import BaseImage, engine
from support.fake_hub import FakeHub
from support.job_process import process
from support.jobs import OVER, clean, profiles, tar_of
from support.platform_service import Running, eventually, write_state

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

_EACH = int(os.environ.get("HUBERNATE_TEST_JOBS", "45")) // 3
_AT_ONCE = 2
_TEAMS = ("physics", "biology", "chemistry")


class Watch:
    """Looks at the engine all the time: the most that each team ran at once, and how often each container started."""

    def __init__(self, instance: str) -> None:
        self.most: Counter[str] = Counter()
        self.started: Counter[str] = Counter()
        self._label = f"{INSTANCE_LABEL}={instance}"
        self._client, self._over = engine(), threading.Event()
        wanted = {"label": self._label, "event": "start", "type": "container"}
        self._events = engine().api.events(filters=wanted, decode=True)
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._count, self._hear)]
        for each in self._threads:
            each.start()

    def _count(self) -> None:
        while not self._over.wait(0.05):
            rows = self._client.api.containers(filters={"label": [self._label], "status": "running"})
            self.most |= Counter(row["Labels"][TENANT_LABEL] for row in rows)

    def _hear(self) -> None:
        for event in self._events:
            self.started[event["Actor"]["Attributes"]["name"]] += 1

    def end(self) -> None:
        self._over.set()
        self._events.close()
        for each in self._threads:
            each.join(30)


def test_none_is_lost_or_doubled_and_no_quota_exceeded_though_the_service_is_killed(
    tmp_path: Path, image: BaseImage
) -> None:
    instance = f"many{new_id()[:5]}"
    teams = [{"name": name, "quota": {"jobs": _AT_ONCE}} for name in _TEAMS]
    write_state(tmp_path, tenants=teams, profiles=profiles(image))
    with uvicorn.Config(lambda: None, port=0).bind_socket() as listener:
        port = listener.getsockname()[1]
    service = Running(f"http://127.0.0.1:{port}", tmp_path, FakeHub())
    arguments = (tmp_path, port, instance, image.registry)
    content = tar_of({"run.sh": 'echo "$1"; sleep 0.2'})
    digest = hashlib.sha256(content).hexdigest()
    with clean(instance):
        watch = Watch(instance)
        with process(*arguments) as first:
            tokens = {
                name: service.start(f"user-{name}", tenant=name, groups=(name,)).ticket.relay_token for name in _TEAMS
            }

            def ask(team: str, method: str, path: str, **options: Any) -> httpx.Response:
                for _ in range(100):  # a client that asks again while the service is away
                    try:
                        return service.ask(method, f"/api/v1/relay/jobs{path}", tokens[team], **options)
                    except httpx.HTTPError:
                        time.sleep(0.3)
                raise AssertionError("the service stays away")

            def bodies(team: str) -> list[dict[str, Any]]:
                assert ask(team, "PUT", f"/files/{digest}", content=content).status_code == 204
                return [
                    {"id": (job := new_id()), "env": "profile", "profile": "base", "files": digest,
                     "work": {"kind": "script", "script": "run.sh", "args": [job]}}
                    for _ in range(_EACH)
                ]  # fmt: skip

            wanted = {team: bodies(team) for team in _TEAMS}

            def submit(team: str) -> None:
                for body in wanted[team]:
                    assert ask(team, "POST", "", json=body).status_code == 202

            senders = [threading.Thread(target=submit, args=(team,)) for team in _TEAMS]
            for each in senders:
                each.start()
            eventually("some have run", lambda: _over(ask("physics", "GET", "")) >= 3, timeout_s=120)
            first.send_signal(signal.SIGKILL)
            first.wait(10)
        with process(*arguments):
            for each in senders:
                each.join(120)
            for team in _TEAMS:  # whoever did not hear the answer asks again
                assert {ask(team, "POST", "", json=body).status_code for body in wanted[team]} == {202}
            eventually(
                "all are over",
                lambda: all(_over(ask(team, "GET", "?limit=500")) == _EACH for team in _TEAMS),
                timeout_s=400,
            )
            watch.end()
            ended: list[tuple[str, str]] = []
            for team in _TEAMS:
                found = ask(team, "GET", "?limit=500").json()["items"]
                assert Counter(each["state"] for each in found) == {"succeeded": _EACH}
                assert {each["id"] for each in found} == {each["id"] for each in wanted[team]}
                for each in found:
                    assert ask(team, "GET", f"/{each['id']}/log").content == f"{each['id']}\n".encode()
                ended += [(each["finished_at"], team) for each in found]
    assert max(watch.most.values()) <= _AT_ONCE, watch.most
    assert set(watch.started.values()) == {1}, "each attempt's container was started once"
    assert len(watch.started) == 3 * _EACH
    half = Counter(team for _, team in sorted(ended)[: len(ended) // 2])
    assert min(half[team] for team in _TEAMS) >= len(ended) // 10, half


def _over(answer: httpx.Response) -> int:
    return sum(each["state"] in OVER for each in answer.json()["items"])

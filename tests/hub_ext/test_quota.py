"""Quotas at the real API: never exceeded when many race, what runs is kept, and a refusal says how it stands."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, text

from hubernate_core.operation import Step
from hubernate_hub.context import Work
from hubernate_hub.services.seeding import seed
from support.platform_service import Running, running

RACERS, ROOM = 100, 20


def tenants(**quota: object) -> dict[str, object]:
    return {"tenants": [{"name": "physics", "title": "Physics", "quota": quota}]}


def ask(service: Running, user: str, **choice: object) -> int:
    """The status of one start; a database that is asked too much at once is asked again, as the spawner does."""
    while (status := service.request_start(user, **{"profile": "base"} | choice).status_code) == 503:
        pass
    return status


def test_a_hundred_starts_that_race_never_exceed_the_quota(tmp_path: Path, database: str) -> None:
    with running(tmp_path, db_url=database, state=tenants(servers=ROOM)) as service:
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda number: ask(service, f"user{number}"), range(RACERS)))
        assert answers.count(200) == ROOM
        assert answers.count(409) == RACERS - ROOM
        with create_engine(database).connect() as connection:
            awake = connection.execute(text("SELECT count(*) FROM servers WHERE state <> 'asleep'")).scalar()
            assert awake == ROOM
            assert connection.execute(text("SELECT count(*) FROM servers")).scalar() == ROOM, "refused: nothing made"
    with running(tmp_path, db_url=database, state=tenants(servers=ROOM)) as again:
        assert ask(again, "late") == 409, "what was admitted before a restart still counts"
        first = answers.index(200)
        assert ask(again, f"user{first}") == 200, "a start that is asked for again holds its own place"


def test_memory_is_given_back_only_once_the_server_is_released(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(memory="8Gi")) as service:
        server = service.start("ada")
        service.start("eve")
        refused = service.request_start("bob", profile="base")
        assert refused.status_code == 409
        problem = refused.json()
        (short,) = problem["shortfalls"]
        assert (short["resource"], short["used"], short["limit"]) == ("memory", 8 * 1024**3, 8 * 1024**3)
        assert {each["user"] for each in short["by"]} == {"ada", "eve"}
        assert (
            "Team Physics uses 8 GiB of 8 GiB memory (ada 4 GiB, eve 4 GiB); this needs 4 GiB more" in problem["detail"]
        )
        service.tell(server.ticket, "stop", {"generation": 1})
        agent = service.agent()
        order = agent.order()
        agent.verify(order)
        assert ask(service, "bob") == 409, "it is saved, and its container is still there"
        agent.say(order, Step.RELEASED)
        assert ask(service, "bob") == 200


def test_a_lower_quota_keeps_what_runs(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=3)) as service:
        mine = [service.start(name) for name in ("ada", "bob", "eve")]
        context = service.inside
        service.folder.joinpath("tenants.json").write_text('[{"name": "physics", "quota": {"servers": 1}}]')
        assert context.catalogue.refresh(strict=True)
        context.store.now(lambda tx: seed(Work(tx, context, context.clock()), context.catalogue.tenants))
        assert ask(service, "late") == 409
        again = service.request_start("ada")
        assert again.json()["adopt"] == mine[0].container, "what runs goes on, also after the hub forgot it"


def test_one_persons_cap_is_their_own(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=10, per_user={"servers": 1})) as service:
        service.start("ada")
        refused = service.request_start("ada", name="second", profile="base")
        assert refused.status_code == 409
        assert "ada uses 1 of 1 running servers" in refused.json()["detail"]
        assert ask(service, "eve") == 200


def test_full_of_checkpoints_refuses_starts_and_no_save(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(checkpoint_bytes="100Mi")) as service:
        server, ada = service.start("ada"), service.person("ada")
        assert ada("POST", f"/servers/{server.id}/operations", json={"kind": "save"}).status_code == 202
        agent = service.agent()
        agent.finish(agent.order())
        refused = service.request_start("eve", profile="base")
        assert "uses 202 MiB of 100 MiB saved checkpoints" in refused.json()["detail"]
        assert ada("POST", f"/servers/{server.id}/operations", json={"kind": "stop"}).status_code == 202
        agent.finish(agent.order())
        saved = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
        for each in saved:
            assert ada("DELETE", f"/checkpoints/{each['id']}?confirm=last").status_code == 204
        assert ask(service, "eve") == 200


def test_an_older_start_that_nobody_could_end_still_counts(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=1)) as service:
        first = service.start("ada")
        service.tell(first.ticket, "stop", {"generation": 1})
        agent = service.agent()
        agent.finish(agent.order())
        second = service.start("ada")
        service.tell(second.ticket, "stop", {"generation": 2})
        agent.finish(agent.order())
        agent.poll(first.seen())
        assert ask(service, "eve") == 409, "its container runs, whatever the row says"
        agent.poll()
        assert ask(service, "eve") == 200


def test_the_start_form_says_what_is_used_and_what_fits(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=5, memory="8Gi", per_user={"servers": 1})) as service:
        service.start("ada")
        service.start("bob")
        options = service.spawner("POST", "/users/eve/start-options", json={"groups": ["physics"]}).json()
        (team,) = options["tenants"]
        use = {each["resource"]: each for each in team["use"]}
        assert (use["memory"]["shown"], use["servers"]["shown"]) == ("8 GiB of 8 GiB", "2 of 5")
        assert all("memory" in card["refusal"] for card in team["profiles"])
        mine = service.spawner("POST", "/users/ada/start-options", json={"groups": ["physics"]}).json()
        assert [card["refusal"] for card in mine["tenants"][0]["profiles"]] == ["", ""], "her own place is hers"


def test_a_killed_service_neither_loses_nor_doubles_a_place(tmp_path: Path, database: str) -> None:
    """One process answers and is killed in the middle of a race; the next one knows exactly what was admitted."""
    state = tenants(servers=ROOM)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  (the process that is killed)
        with running(tmp_path, db_url=database, state=state) as service, ThreadPoolExecutor(8) as pool:
            for number in range(RACERS):
                pool.submit(lambda n=number: ask(service, f"user{n}") == 200 and os.write(write, b"x"))
            pool.shutdown(wait=True)
        os._exit(0)
    os.close(write)
    told = b""
    while len(told) < 5 and (some := os.read(read, 5)):
        told += some
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while some := os.read(read, 100):
        told += some
    os.close(read)
    with running(tmp_path, db_url=database, state=state) as service:
        with create_engine(database).connect() as connection:
            before = connection.execute(text("SELECT count(*) FROM servers WHERE state <> 'asleep'")).scalar() or 0
        assert len(told) <= before <= ROOM, "whoever was told yes has a place"
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: ask(service, f"later{number}"), range(RACERS // 2)))
        assert answers.count(200) == ROOM - before

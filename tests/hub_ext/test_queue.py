"""The queue of starts at the real API: fair, never above the quota, given up by whom it may be, outliving all."""

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, event, text

from hubernate_hub.context import Work
from hubernate_hub.services import places, retention
from hubernate_hub.store import waits
from hubernate_hub.store.database import Tx
from support.platform_service import Running, Started, eventually, running

RACERS, ROOM = 40, 6


def tenants(*names: str, **quota: object) -> dict[str, object]:
    return {"tenants": [{"name": each, "title": each.title(), "quota": quota} for each in names or ("physics",)]}


def ask(service: Running, user: str, **choice: Any) -> httpx.Response:
    """One start that is to wait; a database that is asked too much at once is asked again, as the spawner does."""
    while (answer := service.request_start(user, **{"profile": "base", "wait": True} | choice)).status_code == 503:
        pass
    return answer


def place(service: Running, answer: httpx.Response) -> dict[str, Any]:
    """Where the start of `answer` stands now."""
    found = service.spawner("GET", f"/queue/{answer.json()['id']}")
    assert found.status_code == 200, found.text
    return dict(found.json())


def release(service: Running, server: Started) -> None:
    service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    agent = service.agent()
    agent.finish(next(each for each in agent.poll().orders if each.server_id == server.id))


def awake(database: str) -> int:
    with create_engine(database).connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM servers WHERE state <> 'asleep'")).scalar() or 0)


def test_a_start_waits_and_is_told_where_it_stands_and_why(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=1)) as service:
        first = service.start("ada")
        bob, eve = ask(service, "bob"), ask(service, "eve")
        assert (bob.status_code, eve.status_code) == (202, 202)
        here = eve.json()
        assert (here["position"], here["of"], here["waits_for"]) == (2, 2, "quota")
        assert here["reason"] == "Team Physics uses 1 of 1 running servers (ada 1); this needs 1 more."
        again = ask(service, "eve")
        assert {key: again.json()[key] for key in ("id", "since", "position")} == {
            key: here[key] for key in ("id", "since", "position")
        }, "asked again it keeps its place"
        assert service.request_start("zoe", profile="base").status_code == 409, "who does not choose to wait is refused"
        release(service, first)
        late = service.request_start("zoe", profile="base")
        assert late.status_code == 409, "what is free is kept for those who wait"
        assert "kept for those who asked before" in late.json()["detail"]
        assert "start option wait=yes" in late.json()["detail"]
        assert "shortfalls" not in late.json(), "nothing is short"
        assert place(service, eve)["position"] == 2
        assert ask(service, "bob").status_code == 200
        assert place(service, eve)["position"] == 1


def test_what_a_waiting_start_has_chosen_is_not_deleted(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=1)) as service:
        context, server = service.inside, service.start("ada")
        for _ in range(2):
            release(service, server)
            server = service.start("ada")
        release(service, server)
        ada, root = service.person("ada"), service.person("root", admin=True)
        chosen = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"][1]
        other = service.start("bob")
        waits = ask(service, "ada", profile="", start="checkpoint", checkpoint_id=chosen["id"])
        assert waits.status_code == 202, waits.text
        root("PATCH", "/tenants/physics", json={"retention": {"keep_count": 1, "notice": "PT0S"}})
        for tenant in context.store.now(lambda tx: retention.unsettled(Work(tx, context, context.clock()))):
            context.store.now(lambda tx, each=tenant: retention.settle(Work(tx, context, context.clock()), each))
        kept = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
        assert [each["id"] for each in kept][1:] == [chosen["id"]], "only the third went"
        refused = ada("DELETE", f"/checkpoints/{chosen['id']}")
        assert refused.status_code == 409
        assert "a start that waits has chosen it" in refused.json()["detail"]
        release(service, other)
        resumed = ask(service, "ada", profile="", start="checkpoint", checkpoint_id=chosen["id"])
        assert resumed.json()["image"].endswith(chosen["digest"])


def test_what_would_never_fit_does_not_wait(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(memory="1Gi")) as service:
        refused = ask(service, "ada")
        assert refused.status_code == 409
        assert "wait=yes" not in refused.json()["detail"]
    state = {"tenants": [{"name": "physics", "quota": {"homes": 1}}]}
    with running(tmp_path / "homes", state=state) as service:
        service.start("ada")
        assert ask(service, "bob").status_code == 409, "a home is never given back by itself"


def test_many_that_race_and_wait_never_exceed_the_quota_and_have_one_place_each(tmp_path: Path, database: str) -> None:
    with running(tmp_path, db_url=database, state=tenants(servers=ROOM)) as service:
        users = [f"user{number}" for number in range(RACERS)] * 2  # each asked twice, as after a lost answer
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda user: (user, ask(service, user)), users))
        went = {user for user, answer in answers if answer.status_code == 200}
        assert (len(went), awake(database)) == (ROOM, ROOM)
        with create_engine(database).connect() as connection:
            waiting = Counter(row.user for row in connection.execute(text('SELECT "user" FROM waits')))
        assert waiting == dict.fromkeys(set(users) - went, 1)
        positions = [answer for _, answer in answers if answer.status_code == 202]
        assert sorted({place(service, each)["position"] for each in positions}) == list(range(1, RACERS - ROOM + 1))


def test_a_killed_service_keeps_every_place_and_its_order(tmp_path: Path, database: str) -> None:
    state = tenants(servers=1)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  (the process that is killed)
        with running(tmp_path, db_url=database, state=state) as service:
            ask(service, "ada")
            for user in ("bob", "eve"):
                os.write(write, ask(service, user).json()["id"].encode())
            os.read(os.pipe()[0], 1)
        os._exit(0)
    os.close(write)
    ids = b""
    while len(ids) < 20:
        ids += os.read(read, 20)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    with running(tmp_path, db_url=database, state=state) as service:
        there = [service.spawner("GET", f"/queue/{ids[at : at + 10].decode()}").json() for at in (0, 10)]
        assert [(each["user"], each["position"]) for each in there] == [("bob", 1), ("eve", 2)]
        assert service.request_start("ada").status_code == 200, "who was admitted keeps that, too"
        assert ask(service, "eve").json()["position"] == 2


def test_people_see_and_give_up_places_as_far_as_they_may(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants("physics", "biology", servers=1)) as service:
        service.person("root", admin=True)("PUT", "/tenants/physics/members/nina", json={"role": "admin"})
        bob, eve = service.person("bob", groups=("physics",)), service.person("eve", groups=("physics",))
        nina, mallory = service.person("nina"), service.person("mallory", groups=("biology",))
        service.start("ada")
        his, hers = ask(service, "bob"), ask(service, "eve")
        listed = eve("GET", "/tenants/physics/queue").json()["items"]
        assert [(each["user"], each["position"], each["may_cancel"]) for each in listed] == [
            ("bob", 1, False),
            ("eve", 2, True),
        ]
        assert [each["user"] for each in bob("GET", "/queue").json()["items"]] == ["bob"]
        assert mallory("GET", "/tenants/physics/queue").status_code == 404
        page = service.ask("GET", "/teams/physics", eve.token).text
        assert "2 of 2" in page
        assert f'data-leave="{hers.json()["id"]}"' in page
        assert f'data-leave="{his.json()["id"]}"' not in page, "only what she may give up"
        assert "1 of 2" in service.ask("GET", "/", bob.token).text
        for other in (eve, mallory):
            assert other("DELETE", f"/queue/{his.json()['id']}").status_code == 404
        assert eve("DELETE", f"/queue/{hers.json()['id']}").status_code == 204
        assert nina("DELETE", f"/queue/{his.json()['id']}").status_code == 204
        assert bob("DELETE", f"/queue/{his.json()['id']}").status_code == 404, "it is given up already"
        assert nina("GET", "/tenants/physics/queue").json()["items"] == []
        assert place(service, his)["waits_for"] == "nothing", "so that its hub asks, and is told"
        body = {"user": "bob", "server_name": "", "groups": ["physics"], "place": his.json()["id"]}
        told = service.spawner("POST", "/servers/start", json=body | {"choice": {"profile": "base", "wait": True}})
        assert told.status_code == 409
        assert "given up by nina" in told.json()["detail"]
        assert service.spawner("DELETE", f"/queue/{his.json()['id']}").status_code == 204
        assert ask(service, "bob").status_code == 202, "a new start has a new place"
        deeds = nina("GET", "/tenants/physics/audit").json()["items"]
        assert [(each["actor"], each["role"]) for each in deeds if each["action"] == "queue.cancel"] == [
            ("nina", "tenant-admin"),
            ("eve", "owner"),
        ]


def test_a_burst_of_one_team_does_not_hold_another(tmp_path: Path) -> None:
    state = tenants("physics", "biology", servers=100)
    with running(tmp_path, state=state, starts_at_once=4) as service:
        burst = [service.request_start(f"user{number}", profile="base") for number in range(20)]
        assert Counter(each.status_code for each in burst) == {200: 4, 202: 16}, "nobody chose to wait: it is not long"
        here = burst[-1].json()
        assert (here["waits_for"], here["position"]) == ("turn", 16)
        other = ask(service, "bob", groups=("biology",))
        assert (other.status_code, other.json()["position"]) == (202, 1), "the next turn is the other team's"
        first = burst[0].json()
        started = {"generation": 1, "node": "local", "container_id": "c" * 64, "gate_container_id": "d" * 64}
        for what, body in (("started", started), ("ready", {"generation": 1})):
            assert service.spawner("POST", f"/servers/{first['server_id']}/{what}", json=body).status_code == 200
        assert service.request_start("user19", profile="base").status_code == 202
        assert ask(service, "bob", groups=("biology",)).status_code == 200


def test_who_may_start_is_woken(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=1), loops=True, hub_grace_s=600) as service:
        first = service.start("ada")
        his = ask(service, "bob").json()["id"]
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(_until_it_may_go, service, his)
            eventually("somebody waits", lambda: f"place:{his}" in service.inside.bell._listening)
            release(service, first)
            assert looking.result(30) < 15, "at once, not when the long poll ends"
        assert ask(service, "bob").status_code == 200


def _until_it_may_go(service: Running, place: str) -> float:
    begun = time.monotonic()
    while service.spawner("GET", f"/queue/{place}?wait_s=60").json()["waits_for"] != "nothing":
        pass
    return time.monotonic() - begun


def test_a_start_that_its_hub_lost_is_taken_up_and_in_the_end_given_up(tmp_path: Path) -> None:
    quick = {"queue_silent_after_s": 0.3, "queue_keep_s": 4.0, "hub_grace_s": 600}
    with running(tmp_path, state=tenants(servers=1), loops=True, **quick) as service:
        service.start("ada")
        service.hub.people["bob"] = False
        his = ask(service, "bob", start="clean").json()
        eventually("asked again", lambda: ("POST", "users/bob/server") in service.hub.calls)
        assert service.hub.options["bob"] == {"profile": "base", "start": "clean", "wait": "yes"}
        assert ask(service, "bob", start="clean").json()["since"] == his["since"], "it finds its place"
        bob = service.person("bob", groups=("physics",))
        eventually("given up", lambda: not bob("GET", "/queue").json()["items"])


def test_many_lost_starts_are_taken_up_at_once_but_none_that_was_cancelled_meanwhile(tmp_path: Path) -> None:
    quick = {"hub_grace_s": 600, "hub_timeout_s": 600}
    with running(tmp_path, state=tenants(servers=1), loops=True, **quick) as service:
        service.start("ada")
        users = [f"user{number:02}" for number in range(13)]
        service.hub.holds_starts = True
        service.hub.people |= dict.fromkeys(users, False)

        def asked() -> list[str]:
            return [user for user in users if service.hub.asked("POST", f"users/{user}/server")]

        kept = {user: ask(service, user).json()["id"] for user in users}
        service.inside.settings.queue_silent_after_s = 0.0
        eventually("ten are asked for while none is answered", lambda: len(asked()) == 10)
        *cancelled, last = [user for user in users if user not in asked()]
        for user in cancelled:
            assert service.spawner("DELETE", f"/queue/{kept[user]}").status_code == 204
        service.hub.holds_starts = False
        eventually("the last one is, too", lambda: last in asked())
        assert not set(cancelled) & set(asked()), "nobody wants those any more"


def test_a_hub_that_does_not_answer_in_time_was_asked(tmp_path: Path) -> None:
    quick = {"queue_silent_after_s": 0.3, "queue_keep_s": 1.0, "hub_grace_s": 600, "hub_timeout_s": 0.3}
    with running(tmp_path, state=tenants(servers=1), loops=True, **quick) as service:
        service.start("ada")
        service.hub.people["bob"] = service.hub.holds_starts = True
        ask(service, "bob")
        eventually("given up", lambda: waiting(service) == [])
        assert service.hub.asked("POST", "users/bob/server") == 1
        service.hub.holds_starts = False


def test_no_place_is_given_up_while_its_hub_cannot_be_asked(tmp_path: Path) -> None:
    quick = {"queue_silent_after_s": 0.1, "queue_keep_s": 0.2, "hub_grace_s": 600, "hub_api_url": "http://127.0.0.1:9"}
    with running(tmp_path, state=tenants(servers=1), loops=True, **quick) as service:
        service.start("ada")
        bob = ask(service, "bob").json()["id"]
        eventually("ten times as long", lambda: service.inside.lookout.silent_s(bob) > 2)
        assert waiting(service) == ["bob"]


def waiting(service: Running) -> list[str]:
    return [row.user for row in service.inside.store.now(waits.all_waits)]


def test_a_place_that_a_lower_quota_makes_vain_is_refused_and_holds_up_nobody(tmp_path: Path) -> None:
    state = {"tenants": [{"name": "physics", "title": "Physics", "quota": {"servers": 1}}]}
    with running(tmp_path, state=state) as service:
        root = service.person("root", admin=True)
        first = service.start("ada")
        bob = ask(service, "bob")
        assert root("PATCH", "/tenants/physics", json={"quota": {"servers": 1, "memory": "1Gi"}}).status_code == 200
        release(service, first)
        there = place(service, bob)
        assert there["waits_for"] == "nothing", "so that its hub asks, and is told"
        assert there["reason"] == "Team Physics uses 0 B of 1 GiB memory; this needs 4 GiB more."
        told = ask(service, "bob")
        assert told.status_code == 409
        assert there["reason"] in told.json()["detail"]
        assert "wait=yes" not in told.json()["detail"]


def test_a_request_that_names_its_place_is_heard_whatever_becomes_of_it(tmp_path: Path) -> None:
    with running(tmp_path, state=tenants(servers=1), queue_silent_after_s=0.2) as service:
        service.start("ada")
        bob = ask(service, "bob").json()["id"]
        lookout = service.inside.lookout
        eventually("silence", lambda: lookout.silent_s(bob) > 0.2)
        body = {"user": "bob", "server_name": "", "groups": [], "place": bob, "choice": {"profile": "base"}}
        assert service.spawner("POST", "/servers/start", json=body).status_code == 403, "bob left the team"
        assert lookout.silent_s(bob) < 0.2


def test_one_look_takes_no_more_queries_for_more_teams(tmp_path: Path) -> None:
    teams = [f"team{number}" for number in range(6)]
    with running(tmp_path, state=tenants(*teams, servers=1)) as service:
        asked: list[int] = []
        for team in teams:
            service.start(f"{team}-1", groups=(team,))
            ask(service, f"{team}-2", groups=(team,))
            asked.append(queries(service))
        assert asked[0] == asked[-1], asked


def queries(service: Running) -> int:
    """Statements of one look."""
    found: list[str] = []

    def look(tx: Tx) -> None:
        def count(*call: Any) -> None:
            found.append(call[2])

        event.listen(tx, "before_cursor_execute", count)
        places.look(Work(tx, service.inside, service.clock()))
        event.remove(tx, "before_cursor_execute", count)

    service.inside.store.now(look)
    return len(found)


def test_metrics_tell_how_many_wait_and_how_long(tmp_path: Path) -> None:
    state = tenants("physics", "biology", servers=1)
    with running(tmp_path, state=state, loops=True, metrics_tenants_max=1) as service:
        first = service.start("ada")
        service.start("zoe", groups=("biology",))
        bob = ask(service, "bob")
        ask(service, "eve")
        ask(service, "kim")
        ask(service, "mia", groups=("biology",))
        metrics = service.inside.metrics

        def told(line: str) -> bool:
            return line in metrics.text().decode().splitlines()

        eventually("length", lambda: told('hubernate_queue_length{tenant="physics"} 3.0'))
        assert 'hubernate_queue_length{tenant="biology"}' not in metrics.text().decode(), "no more than are allowed"
        release(service, first)
        eventually("room", lambda: place(service, bob)["waits_for"] == "nothing")
        assert ask(service, "bob").status_code == 200
        assert told('hubernate_queue_seconds_count{end="started"} 1.0')
        eventually("shorter", lambda: told('hubernate_queue_length{tenant="physics"} 2.0'))

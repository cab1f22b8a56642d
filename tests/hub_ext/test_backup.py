"""Backups of the platform's database: one moment, put back whole; what runs and the registry are compared (F32)."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_hub.app import TO_RESTORE, restore, serve
from hubernate_hub.context import Work
from hubernate_hub.services import retention
from hubernate_hub.store import backup
from hubernate_hub.store.lease import Lease
from support.platform_service import Running, running


def checkpoint(service: Running, user: str = "ada") -> tuple[str, str]:
    """A server of `user` that was saved and stopped, and ``repository@digest`` of what was saved."""
    server = service.start(user)
    service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    agent = service.agent()
    agent.finish(agent.order())
    newest = service.person(user)("GET", f"/servers/{server.id}/checkpoints").json()["items"][0]
    return server.id, f"{newest['repository']}@{newest['digest']}"


def test_a_copy_is_one_moment_and_private(service: Running, tmp_path: Path) -> None:
    server, _ = checkpoint(service)
    copy = tmp_path / "copy.sqlite"
    backup.copy_to(service.inside.settings.database, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as found:
        assert found.execute("SELECT id FROM servers").fetchall() == [(server,)]
    with pytest.raises(Conflict, match="already"):
        backup.copy_to(service.inside.settings.database, copy)
    with pytest.raises(InvalidInput, match="pg_dump"):
        backup.copy_to("postgresql+psycopg://x/y", tmp_path / "other")


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"SQLite format 3\0" + b"x" * 5000], ids=["empty", "text", "broken"]
)
def test_what_is_no_copy_changes_nothing(service: Running, tmp_path: Path, content: bytes) -> None:
    checkpoint(service)
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(content)
    before = service.person("ada")("GET", "/servers").json()
    with pytest.raises(InvalidInput):
        backup.put_back(service.inside.settings.database, copy)
    assert service.person("ada")("GET", "/servers").json() == before


def test_a_copy_of_a_newer_version_changes_nothing(service: Running, tmp_path: Path) -> None:
    checkpoint(service)
    copy = tmp_path / "copy.sqlite"
    backup.copy_to(service.inside.settings.database, copy)
    with sqlite3.connect(copy) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    before = service.person("ada")("GET", "/servers").json()
    with pytest.raises(InvalidInput, match="newer version"):
        backup.put_back(service.inside.settings.database, copy)
    assert service.person("ada")("GET", "/servers").json() == before
    assert not list((tmp_path / "service").glob("*.before-*"))


def test_a_broken_database_is_put_aside_as_it_is_with_its_log(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, old = checkpoint(service)
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
    folder = tmp_path / "service"
    (folder / "hubernate.sqlite").write_bytes(b"broken")
    (folder / "hubernate.sqlite-wal").write_bytes(b"its log")
    restore(service.inside.settings, tmp_path / "copy")
    (kept,) = folder.glob("hubernate.sqlite.before-*Z")
    assert kept.read_bytes() == b"broken"
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == b"its log"
    with running(tmp_path) as service:
        assert set(listed(service, server)) == {old}


def test_a_service_takes_up_what_was_laid_ready_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uvicorn.run", lambda app, **_: app.state.context.store.close())
    ready = tmp_path / "service" / TO_RESTORE
    with running(tmp_path) as service:
        server, old = checkpoint(service)
        backup.copy_to(service.inside.settings.database, ready)
        checkpoint(service)
    serve(service.inside.settings)
    assert [each.name for each in ready.parent.glob(f"{TO_RESTORE}*")] == []
    with running(tmp_path) as service:
        assert set(listed(service, server)) == {old}
        assert service.agent().poll().look_for == (old,)
        _, again = checkpoint(service)
    serve(service.inside.settings)
    with running(tmp_path) as service:
        assert set(listed(service, server)) == {old, again}, "not a second time"
    ready.write_bytes((tmp_path / "service/hubernate.sqlite").read_bytes()[:9000])  # cut off on its way
    serve(service.inside.settings)
    assert (ready.exists(), ready.with_name(f"{TO_RESTORE}.refused").exists()) == (False, True)
    with running(tmp_path) as service:
        assert set(listed(service, server)) == {old, again}


def test_after_a_restore_checkpoints_are_looked_for_before_anything_is_deleted(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, old = checkpoint(service)
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
        _, kept = checkpoint(service)  # the registry is newer than the backup
        _, eves = checkpoint(service, "eve")
    restore(service.inside.settings, tmp_path / "copy")
    assert list((tmp_path / "service").glob("hubernate.sqlite.before-*")), "what was there is kept"
    with running(tmp_path) as service:
        ada, agent = service.person("ada"), service.agent()
        (one,) = ada("GET", f"/servers/{server}/checkpoints").json()["items"]
        assert f"{one['repository']}@{one['digest']}" == old
        assert ada("DELETE", f"/checkpoints/{one['id']}?confirm=last").status_code == 204
        orders = agent.poll()
        assert (orders.look_for, orders.forget) == ((old,), ()), "nothing is deleted before it is known what is there"
        orders = agent.poll(found=[old])
        assert (orders.look_for, orders.forget) == ((), (old,))
        assert kept not in orders.forget and eves not in orders.forget, "what it does not know it leaves alone"


def settle(service: Running) -> None:
    """One round of retention, told as the loop is told."""
    context = service.inside
    for tenant in context.store.now(lambda tx: retention.unsettled(Work(tx, context, context.clock()))):
        context.store.now(lambda tx, each=tenant: retention.settle(Work(tx, context, context.clock()), each))


def keep_one(service: Running, **notice: str) -> None:
    """Physics keeps one checkpoint of a server."""
    rule = {"keep_count": 1} | notice
    changed = service.person("root", admin=True)("PATCH", "/tenants/physics", json={"retention": rule})
    assert changed.status_code == 200, changed.text


def listed(service: Running, server: str, user: str = "ada") -> dict[str, dict[str, object]]:
    """A server's checkpoints by ``repository@digest``."""
    items = service.person(user)("GET", f"/servers/{server}/checkpoints").json()["items"]
    return {f"{each['repository']}@{each['digest']}": each for each in items}


def test_after_a_restore_retention_waits_until_it_is_known_what_is_there(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, older = checkpoint(service)
        _, newer = checkpoint(service)
        keep_one(service, notice="PT0S")
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
    restore(service.inside.settings, tmp_path / "copy")
    with running(tmp_path) as service:
        agent = service.agent()
        context, physics = service.inside, service.person("root", admin=True)("GET", "/tenants/physics").json()["id"]
        assert context.store.now(lambda tx: retention.unsettled(Work(tx, context, context.clock()))) == []
        assert context.store.now(lambda tx: retention.settle(Work(tx, context, context.clock()), physics)) == []
        assert set(listed(service, server)) == {older, newer}, "the newer one's image may be what is missing"
        agent.poll(missing=[newer], found=[older])
        settle(service)
        assert older in listed(service, server), "it is the way back"


def test_what_was_announced_before_the_backup_is_announced_anew(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, older = checkpoint(service)
        _, newer = checkpoint(service)
        keep_one(service, notice="P1D")
        settle(service)
        assert listed(service, server)[older]["goes_at"] is not None
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
    restore(service.inside.settings, tmp_path / "copy")
    with running(tmp_path) as service:
        service.clock.move(days=3)
        assert listed(service, server)[older]["goes_at"] is None
        service.agent().poll(found=[older, newer])
        settle(service)
        kept = listed(service, server)
        assert set(kept) == {older, newer}, "whoever pinned it after the backup has a day to do so again"
        assert str(kept[older]["goes_at"]) > f"{service.clock():%Y-%m-%dT%H:%M:%S}"


def test_one_that_was_missing_is_looked_for_again_and_offered(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, saved = checkpoint(service)
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
    restore(service.inside.settings, tmp_path / "copy")
    with running(tmp_path) as service:
        service.agent().poll(missing=[saved])  # the registry was not restored yet
        assert service.request_start("ada").status_code == 409
    restore(service.inside.settings, None)
    with running(tmp_path) as service:
        agent = service.agent()
        assert agent.poll().look_for == (saved,)
        ada, (one,) = service.person("ada"), listed(service, server).values()
        assert ada("DELETE", f"/checkpoints/{one['id']}").status_code == 409, "it may be the only way back"
        agent.poll(found=[saved])
        assert service.request_start("ada").json()["image"].endswith(saved.partition("@")[2])


def test_while_the_other_is_in_doubt_a_deleted_one_is_the_last(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, older = checkpoint(service)
        _, newer = checkpoint(service)
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
    restore(service.inside.settings, tmp_path / "copy")
    with running(tmp_path) as service:
        ada, kept = service.person("ada"), listed(service, server)
        service.agent().poll(found=[older])
        refused = ada("DELETE", f"/checkpoints/{kept[older]['id']}")
        assert (refused.status_code, refused.json()["confirm"]) == (409, "last")
        service.agent().poll(found=[newer])
        assert ada("DELETE", f"/checkpoints/{kept[older]['id']}").status_code == 204


def test_a_checkpoint_whose_image_is_gone_is_marked_and_not_offered(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server, older = checkpoint(service)
        _, newer = checkpoint(service)
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
    restore(service.inside.settings, tmp_path / "copy")
    with running(tmp_path) as service:
        agent, ada = service.agent(), service.person("ada")
        assert set(agent.poll().look_for) == {older, newer}
        agent.poll(missing=[newer], found=[older])
        shown = {
            each["digest"]: each["usable"] for each in ada("GET", f"/servers/{server}/checkpoints").json()["items"]
        }
        assert shown == {newer.partition("@")[2]: False, older.partition("@")[2]: True}
        ticket = service.request_start("ada").json()
        assert older.partition("@")[2] in ticket["image"], "the one before is offered"
        agent.poll(missing=["t-x/u-y@sha256:" + "0" * 64])  # nobody asked for that


def test_what_runs_since_after_the_backup_is_left_running_and_named(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        checkpoint(service)
        backup.copy_to(service.inside.settings.database, tmp_path / "copy")
        newer = service.start("ada")
    restore(service.inside.settings, tmp_path / "copy")
    with running(tmp_path) as service:
        agent = service.agent()
        assert agent.poll(newer.seen()).orders == ()
        refused = service.request_start("ada")
        assert refused.status_code == 409
        assert "a start that this restored database lacks (2)" in refused.json()["detail"]
        root = service.person("root", admin=True)
        page = service.ask("GET", "/admin", root.token, headers={"accept": "text/html"}).text
        assert newer.container[:12] in page
        agent.poll()
        assert service.request_start("ada").status_code == 200


def test_the_program_refuses_to_restore_under_a_running_service(service: Running, tmp_path: Path) -> None:
    settings = service.inside.settings
    config = tmp_path / "config.py"
    config.write_text(f"c.HubernateService.state_dir = {settings.state_dir!r}\n")
    program = [sys.executable, "-m", "hubernate_hub.app", "--config", str(config)]
    done = subprocess.run([*program, "--backup", str(tmp_path / "copy")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lease = Lease(settings.own_dir, settings.database)
    lease.take()
    try:
        refused = subprocess.run(
            [*program, "--restore", str(tmp_path / "copy")], capture_output=True, text=True, check=False
        )
    finally:
        lease.release()
    assert refused.returncode == 2
    assert "another platform service holds" in refused.stderr

"""A round of schedules: what the hub says of people, and what it costs to ask it."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hubernate_core.errors import Unavailable
from hubernate_core.names import OperationId, ScheduleId, ServerId, new_id
from hubernate_core.schedule_request import ScheduleRequest
from hubernate_hub.app import build_context
from hubernate_hub.config import HubernateService
from hubernate_hub.context import Context, Work
from hubernate_hub.hub_client import HubUser
from hubernate_hub.reconcile.schedules import ScheduleRounds
from hubernate_hub.services import schedule_times
from hubernate_hub.store import schedules, tenants
from hubernate_hub.store.schedules import ScheduleRow
from support.platform_service import Clock, write_state


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    write_state(tmp_path)
    made = build_context(HubernateService(state_dir=str(tmp_path)))
    made.clock = Clock()
    yield made
    made.store.close()


def due(context: Context, user: str = "ada", **job: object) -> ScheduleRow:
    """A schedule whose time has come, of a job whose files are not there."""
    key, now, follow = ScheduleId(new_id()), context.clock(), "env" in job
    asked: dict[str, object] = {"id": key, "cron": "0 7 * * *", "follow": follow}
    script = {"id": key, "work": {"kind": "script", "script": "run.sh"}, "files": "0" * 64}
    asked["job"] = script | {"env": "profile", "profile": "base"} | job
    team = context.store.now(tenants.find, "physics")
    assert team is not None
    request = ScheduleRequest.model_validate(asked)
    row = ScheduleRow(key, team.id, user, user, request, planned_at=now - timedelta(seconds=1), created_at=now)
    context.store.now(schedules.add, row)
    return row


class Hub:
    """Answers as it is told, and counts."""

    def __init__(self, answer: HubUser | Exception | None) -> None:
        self.answer, self.asked = answer, 0

    async def person(self, _: str) -> HubUser | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def problems(context: Context, hub: Hub, *users: str) -> list[str]:
    context.hub = hub  # type: ignore[assignment]
    rows = [due(context, user) for user in users]
    assert context.jobs is not None
    asyncio.run(ScheduleRounds(context, context.jobs).round())
    found = [context.store.now(schedules.get, each.id) for each in rows]
    return [each.problem for each in found if each is not None]


def test_whom_the_hub_does_not_know_any_more_nothing_runs_for(context: Context) -> None:
    hub = Hub(None)
    found = problems(context, hub, "ada", "ada", "ada")
    assert len(found) == 3
    assert all("its person is no longer in the team" in each for each in found)
    assert hub.asked == 1, "once for each person"


def test_a_hub_that_is_away_is_asked_once_a_round_and_delays_nobody(context: Context) -> None:
    hub = Hub(Unavailable("the hub did not answer"))
    found = problems(context, hub, "ada", "bob", "eve")
    assert hub.asked == 1
    assert len(found) == 3
    assert all("are not here" in each for each in found), "tried, as nothing is known of who left"


def test_one_that_follows_waits_for_the_first_save(context: Context) -> None:
    row = due(context, env="current", profile="")
    waits = replace(row, server_id=ServerId(new_id()), operation_id=OperationId(new_id()))
    context.store.now(schedules.save, waits)
    parts = context.jobs
    assert parts is not None
    context.store.now(lambda tx: schedule_times.look(Work(tx, context, context.clock()), parts, row.id))
    assert context.store.now(schedules.get, row.id) == waits, "its time stays due until there is a save"

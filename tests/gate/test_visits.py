"""Somebody else than the owner enters: written down first, once per visit, or they do not come in."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from hubernate_core.errors import Unavailable
from hubernate_gate import visits
from hubernate_gate.config import load_settings
from hubernate_gate.sessions import Session, Visitor
from hubernate_gate.visits import Visits
from support.gate_process import NAVIGATE, Browser, GateProcess


def let_in(gate: GateProcess, name: str) -> None:
    """Give `name` the scope that an admin, or who is shared with, has."""
    gate.hub.people[name] = gate.hub.people["ada"]


async def test_an_admins_visit_is_written_down_once_and_the_owners_never(
    gate: GateProcess, ada: Browser, anyone: Browser
) -> None:
    async with ada.get("api/sessions") as own:
        assert own.status == 200
    assert gate.hub.visits == []
    let_in(gate, "root")
    (await anyone.login("root")).close()
    answers = await asyncio.gather(*(anyone.get(f"api/sessions?{number}") for number in range(5)))
    assert [each.status for each in answers] == [200] * 5
    (visit,) = gate.hub.visits
    assert (visit["visitor"], visit["by_token"], visit["generation"]) == ("root", False, 3)
    assert "127.0.0.1" in visit["origin"] and "aiohttp" in visit["origin"]


async def test_by_token_too(gate: GateProcess, anyone: Browser) -> None:
    let_in(gate, "root")
    headers = {"Authorization": f"token {gate.hub.make_token('root')}"}
    for _ in range(2):
        async with anyone.get("api/sessions", headers=headers) as answer:
            assert answer.status == 200
    assert [each["by_token"] for each in gate.hub.visits] == [True]


async def test_who_comes_back_after_more_than_an_hour_visits_again(gate: GateProcess) -> None:
    settings = load_settings(gate.file)
    session = Session("k", "t", Visitor("root", frozenset()), 0.0)
    async with aiohttp.ClientSession() as client:
        noted, now = Visits(client, settings), asyncio.get_running_loop().time()
        for last, visits in ((None, 1), (now - 3500, 1), (now - 3700, 2)):
            session.visited_at = last
            await noted.note(session, make_mocked_request("GET", "/"))
            assert len(gate.hub.visits) == visits


async def test_what_cannot_be_written_down_does_not_happen(gate: GateProcess, ada: Browser, anyone: Browser) -> None:
    let_in(gate, "root")
    gate.hub.takes_visits = False
    page = await anyone.login("root")
    assert page.status == 503
    assert "written down first" in await page.text()
    seen = len(gate.notebook.seen)
    async with anyone.get("api/sessions") as answer:
        assert answer.status == 503
    with pytest.raises(Exception, match="503"):
        await anyone.socket("api/kernels/k/channels")
    assert len(gate.notebook.seen) == seen, "nothing reached the notebook"
    async with ada.get("lab", headers=NAVIGATE) as own:
        assert own.status == 200, "its owner works on"
    gate.hub.takes_visits = True
    async with anyone.get("api/sessions") as answer:
        assert answer.status == 200


async def test_a_service_that_does_not_answer_is_waited_for_once_and_not_by_each_request(
    gate: GateProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    asked: list[asyncio.StreamWriter] = []

    def never_answers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)

    silent = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    settings = replace(load_settings(gate.file), service_url=url)
    sessions = [Session(each, "t", Visitor("root", frozenset()), 0.0) for each in "ab"]
    async with aiohttp.ClientSession() as client:
        noted = Visits(client, settings)

        async def refused(session: Session) -> str:
            with pytest.raises(Unavailable) as problem:
                await noted.note(session, make_mocked_request("GET", "/"))
            return problem.value.message

        page = await asyncio.gather(*(refused(sessions[0]) for _ in range(20)))
        assert len(asked) == 1, "the others of the page did not wait, each for as long, one after the other"
        assert all("does not answer (" in each for each in [*page, await refused(sessions[1])])
        assert len(asked) == 1, "and nobody else's either"
        monkeypatch.setattr(visits, "_REFUSE_S", 0.0)
        noted = Visits(client, settings)
        for session in sessions:
            await refused(session)
        assert len(asked) == 3, "afterwards it is asked again"
    for each in asked:
        each.close()
    silent.close()

"""Who gets through the gate: OAuth with PKCE, sessions, API tokens, revocation."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from support.gate_process import NAVIGATE, Browser, GateProcess, browser, whole_gate
from support.notebook_double import PREFIX


async def test_a_person_logs_in_and_lands_where_they_wanted(gate: GateProcess, anyone: Browser) -> None:
    answer = await anyone.login(page="lab/tree/a%20b.ipynb?reset=1")
    assert (await answer.json())["path"] == "/user/ada/lab/tree/a%20b.ipynb?reset=1"
    assert gate.notebook.last()["headers"]["x-forwarded-user"] == "ada"
    async with anyone.get("api/sessions") as again:
        assert again.status == 200
    assert gate.hub.lookups == 1, "a login is not looked up at every request"


async def test_without_login_pages_redirect_and_programs_get_401(gate: GateProcess, anyone: Browser) -> None:
    async with anyone.get("lab", headers=NAVIGATE) as page:
        assert page.status == 302
        assert page.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    async with anyone.get("api/sessions") as api:
        assert api.status == 401
        assert "log in" in (await api.json())["message"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await anyone.socket("api/kernels/k/channels")
    assert refused.value.status == 403
    assert gate.notebook.seen == []


async def test_readiness_needs_no_login_and_says_only_the_version(gate: GateProcess, anyone: Browser) -> None:
    async with anyone.get("api") as ready:
        assert ready.status == 200
        assert await ready.json() == {"version": "2.18.0"}
        assert ready.headers["X-JupyterHub-Version"] == "6.1.1"


async def test_not_ready_while_the_notebook_does_not_answer(tmp_path: Path) -> None:
    async with whole_gate(tmp_path, upstream="http://127.0.0.1:9") as gate, browser(gate) as anyone:
        async with anyone.get("api") as ready:
            assert ready.status == 503
        page = await anyone.login()
        text = await page.text()
        assert page.status == 503 and "not answering" in text and 'http-equiv="refresh"' in text
        async with anyone.get("api/sessions") as api:
            assert api.status == 503 and "does not answer" in (await api.json())["message"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await anyone.socket("api/kernels/k/channels")
        assert refused.value.status == 503


async def test_a_foreign_person_is_refused(gate: GateProcess, anyone: Browser) -> None:
    async with anyone.get("lab", headers=NAVIGATE) as first:
        question = dict(parse_qsl(urlsplit(first.headers["Location"]).query))
    with pytest.raises(PermissionError):
        gate.hub.authorize("eve", question)
    token = gate.hub.make_token("eve")
    async with anyone.get("api/sessions", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 403
    assert gate.notebook.seen == []


async def test_a_hub_that_lets_a_foreigner_through_is_checked_by_the_gate(gate: GateProcess, anyone: Browser) -> None:
    ada_scopes, gate.hub.people["eve"] = gate.hub.people["eve"], gate.hub.people["ada"]
    async with anyone.get("lab", headers=NAVIGATE) as first:
        back = gate.hub.authorize("eve", dict(parse_qsl(urlsplit(first.headers["Location"]).query)))
    gate.hub.people["eve"] = ada_scopes
    async with anyone.http.get(anyone.at(back), allow_redirects=False) as second:
        assert second.status == 403
    assert not anyone.cookie("_xsrf")


async def test_an_api_token_opens_without_cookie_or_xsrf(gate: GateProcess, anyone: Browser) -> None:
    for scheme in ("token", "Bearer"):
        headers = {"Authorization": f"{scheme} {gate.hub.make_token('ada')}"}
        async with anyone.post("api/sessions", xsrf=False, headers=headers) as answer:
            assert answer.status == 200, scheme
    seen = gate.notebook.last()["headers"]
    assert "authorization" not in seen and seen["x-forwarded-user"] == "ada"
    async with anyone.socket("api/kernels/k/channels", origin="http://elsewhere", headers=headers) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"


async def test_a_token_in_the_url_is_refused(gate: GateProcess, anyone: Browser) -> None:
    token = gate.hub.make_token("ada")
    for headers in ({}, NAVIGATE):
        async with anyone.get(f"lab?token={token}", headers=headers) as answer:
            assert answer.status == 403
    assert gate.hub.lookups == 0


async def test_unknown_tokens_do_not_reach_the_hub_again_and_again(gate: GateProcess, anyone: Browser) -> None:
    for _ in range(5):
        async with anyone.get("api/sessions", headers={"Authorization": "token nonsense"}) as answer:
            assert answer.status == 401
    async with anyone.get("api/sessions", headers={"Authorization": "token " + "x" * 65}) as answer:
        assert answer.status == 401
    assert gate.hub.lookups == 1


async def test_a_revoked_token_stops_working(tmp_path: Path) -> None:
    async with whole_gate(tmp_path, settings={"revalidate_s": 1}) as gate, browser(gate) as ada:
        (await ada.login()).close()
        token = {"Authorization": f"token {gate.hub.make_token('ada')}"}
        async with browser(gate) as program:
            async with program.get("api/sessions", headers=token) as answer:
                assert answer.status == 200
            socket = await ada.socket("api/kernels/k/channels")
            gate.hub.revoke()
            await asyncio.sleep(1.2)
            async with ada.get("api/sessions") as answer:
                assert answer.status == 401
            async with ada.get("lab", headers=NAVIGATE) as answer:
                assert answer.status == 302
            async with program.get("api/sessions", headers=token) as answer:
                assert answer.status == 401
            async with asyncio.timeout(3):
                message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)


async def test_logging_out_at_the_hub_is_noticed_at_once(gate: GateProcess, ada: Browser) -> None:
    gate.hub.revoke()
    async with ada.get("api/sessions", headers={"Cookie": f"{ada.cookies}; jupyterhub-session-id=other"}) as answer:
        assert answer.status == 401


async def test_a_hub_that_is_down_throws_nobody_out(tmp_path: Path) -> None:
    async with whole_gate(tmp_path, settings={"revalidate_s": 1, "hub_outage_s": 1}) as gate, browser(gate) as ada:
        (await ada.login()).close()
        gate.hub.broken = True
        await asyncio.sleep(1.2)
        async with ada.get("api/sessions") as answer:
            assert answer.status == 200, "within the outage time"
        await asyncio.sleep(1)
        async with ada.get("api/sessions") as answer:
            assert answer.status == 503, "not for ever"


async def test_a_code_works_once_and_only_in_the_browser_that_asked(gate: GateProcess, anyone: Browser) -> None:
    async with anyone.get("lab", headers=NAVIGATE) as first:
        back = gate.hub.authorize("ada", dict(parse_qsl(urlsplit(first.headers["Location"]).query)))
    async with browser(gate) as other, other.http.get(other.at(back), allow_redirects=False) as stolen:
        assert stolen.status == 400
    async with anyone.http.get(anyone.at(back), allow_redirects=False) as good:
        assert good.status == 302
    async with anyone.http.get(anyone.at(back), allow_redirects=False) as again:
        assert again.status == 400


async def test_a_callback_out_of_the_blue_is_refused(anyone: Browser) -> None:
    for query in ("", "?code=x", "?code=x&state=y", "?state=", "?code=x&state=%00"):
        async with anyone.get(f"oauth_callback{query}") as answer:
            assert answer.status == 400, query


async def test_a_forged_login_cookie_is_refused(gate: GateProcess, anyone: Browser) -> None:
    async with anyone.get("lab", headers=NAVIGATE) as first:
        question = dict(parse_qsl(urlsplit(first.headers["Location"]).query))
        name, value = next((c.key, c.value) for c in anyone.http.cookie_jar if c.key.startswith("hubernate-login-"))
    back = gate.hub.authorize("ada", question)
    for forged in (value[:-1] + ("0" if value[-1] != "0" else "1"), "x." + value.partition(".")[2], "", "a.b"):
        headers = {"Cookie": f"{name}={forged}"}
        async with (
            browser(gate) as other,
            other.http.get(other.at(back), headers=headers, allow_redirects=False) as got,
        ):
            assert got.status == 400


async def test_many_tabs_do_not_pile_up_cookies(anyone: Browser) -> None:
    for _ in range(20):
        async with anyone.get("lab", headers=NAVIGATE) as answer:
            assert answer.status == 302
    assert len(anyone.cookies) < 4096
    (await anyone.login()).close()


async def test_logout_ends_the_session_here_and_goes_on_to_the_hub(gate: GateProcess, ada: Browser) -> None:
    before = ada.cookies
    async with ada.get("logout", headers=NAVIGATE) as answer:
        assert answer.status == 302 and answer.headers["Location"] == "/hub/logout"
    async with browser(gate) as thief, thief.get("api/sessions", headers={"Cookie": before}) as answer:
        assert answer.status == 401


async def test_cookies_are_bound_to_the_server_and_to_https(tmp_path: Path) -> None:
    async with whole_gate(tmp_path, public_url="https://hub.example.org/") as gate, browser(gate) as anyone:
        async with anyone.get("lab", headers=NAVIGATE) as first:
            cookies = first.headers.getall("Set-Cookie")
        assert cookies and all(f"Path={PREFIX}" in each and "Secure" in each and "HttpOnly" in each for each in cookies)


async def test_without_slash_the_browser_is_sent_to_the_prefix(anyone: Browser) -> None:
    async with anyone.http.get(anyone.at("/user/ada"), allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, PREFIX)

"""Requests that another page makes in a person's name (B24)."""

from pathlib import Path

import aiohttp
import pytest

from support.gate_process import NAVIGATE, Browser, GateProcess, browser, whole_gate


async def test_scripts_of_the_page_can_write(gate: GateProcess, ada: Browser) -> None:
    async with ada.post("api/sessions", json={"name": "x"}) as answer:
        assert answer.status == 200
    assert "x-xsrftoken" not in gate.notebook.last()["headers"]
    async with ada.post(f"api/sessions?_xsrf={ada.cookie('_xsrf')}", xsrf=False) as answer:
        assert answer.status == 200


TOKENLESS = {
    "no token": {},
    "wrong token": {"X-XSRFToken": "x" * 43},
    "token that is not ASCII": {"X-XSRFToken": "ü"},
    "empty token": {"X-XSRFToken": ""},
    "JSON as text": {"Content-Type": "text/plain"},
}
FOREIGN = (
    {"Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
)


async def test_writing_without_the_right_token(gate: GateProcess, ada: Browser) -> None:
    before = len(gate.notebook.seen)
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
        for case, headers in TOKENLESS.items():
            async with ada.http.request(method, gate.url + "api/sessions", headers=headers) as answer:
                assert answer.status == 403, (method, case)
    assert len(gate.notebook.seen) == before


async def test_another_sites_request_is_refused_even_with_the_token(ada: Browser) -> None:
    for headers in FOREIGN:
        async with ada.post("api/sessions", headers=headers) as answer:
            assert answer.status == 403, headers


async def test_the_token_of_another_login_is_refused(gate: GateProcess, ada: Browser) -> None:
    async with browser(gate) as other:
        (await other.login()).close()
        foreign = other.cookie("_xsrf")
    cookies = ada.cookies.replace(ada.cookie("_xsrf"), foreign)
    headers = {"Cookie": cookies, "X-XSRFToken": foreign}
    async with ada.post("api/sessions", xsrf=False, headers=headers) as answer:
        assert answer.status == 403, "a planted cookie that matches its header is not enough"


async def test_a_lost_xsrf_cookie_is_given_again_to_pages_only(ada: Browser) -> None:
    token = ada.cookie("_xsrf")
    ada.http.cookie_jar.clear(lambda each: each.key == "_xsrf")
    async with ada.get("api/sessions") as answer:
        assert "Set-Cookie" not in answer.headers
    async with ada.get("lab", headers=NAVIGATE) as answer:
        assert f"_xsrf={token}" in answer.headers["Set-Cookie"]
        assert "HttpOnly" not in answer.headers["Set-Cookie"]
    async with ada.get("lab", headers=NAVIGATE) as answer:
        assert "Set-Cookie" not in answer.headers


async def test_a_websocket_from_another_page_is_refused(gate: GateProcess, ada: Browser) -> None:
    before = len(gate.notebook.seen)
    for origin in (
        "http://evil.example",
        "https://127.0.0.1",
        "null",
        "http://127.0.0.1:1",
        "http://127.0.0.1:x",
        None,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await ada.socket("api/kernels/k/channels", origin=origin)
        assert refused.value.status == 403, origin
    assert len(gate.notebook.seen) == before


async def test_an_admin_may_open_some_paths_to_same_origin_apps(tmp_path: Path) -> None:
    async with whole_gate(tmp_path, settings={"same_origin_paths": ["proxy/"]}) as gate, browser(gate) as ada:
        (await ada.login()).close()
        for tail, site, status in [
            ("proxy/8050/update", "same-origin", 200),
            ("proxy/8050/update", "cross-site", 403),
            ("api/sessions", "same-origin", 403),
        ]:
            async with ada.post(tail, xsrf=False, headers={"Sec-Fetch-Site": site}) as answer:
                assert answer.status == status, (tail, site)
        async with ada.post("proxy/8050/update", xsrf=False) as answer:
            assert answer.status == 403, "without the browser's word"

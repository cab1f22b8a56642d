"""What of a request reaches the notebook (B27): path tricks, spoofed headers, smuggling; HTTP and WebSocket alike."""

import asyncio

import pytest

from support.gate_process import Browser, GateProcess, raw

TRICKS = {
    "/user/ada/../bob/api": 400,
    "/user/ada/..": 400,
    "/user/ada/./api": 400,
    "/user/ada/%2e%2e/bob/api": 400,
    "/user/ada/%2E%2E/bob": 400,
    "/user/ada/.%2e/bob": 400,
    "/user/ada/%252e%252e/bob": 400,
    "/user/ada/x%2f..%2f..%2fbob": 400,
    "/user/ada%2f..%2fbob/api": 400,
    "/user/ada/..%5cbob": 400,
    "/user/ada\\..\\bob": 400,
    "//user/ada/api": 400,
    "/user//ada/api": 400,
    "/user/ada//api": 400,
    "/user/ada/a%00b": 400,
    "/user/ada/a%0d%0aX-Evil:%201": 400,
    "/user/ada/a%zz": 400,
    "/user/ada/x#y": 400,
    "http://127.0.0.1/user/ada/api": 400,
    "http://evil.example/user/ada/api": 400,
    "*": 400,
    "user/ada/api": 400,
    "/user/ada%2fapi/x": 404,
    "/user/bob/api": 404,
    "/user/adam/api": 404,
    "/user/AdA/api": 404,
    "/hub/home": 404,
    "/": 404,
    "/api": 404,
}
KEPT = [
    "/user/ada/api/contents/a%20b%2Fc.ipynb?type=file&x=%2F..",
    "/user/ada/files/%C3%BC%25.txt",
    "/user/ada/.hidden/..more/x..y",
    "/user/ada/proxy/8050/a;b=c/@d/~e/%7Bf%7D|g^h?q[]=1",
    "/user/ada/files/100%2525.txt",
    "/user/ada/a%5Cb",
]
SOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def request_bytes(
    gate: GateProcess, ada: Browser, path: str, more: str = "Connection: close\r\n", method: str = "GET"
) -> bytes:
    host = f"127.0.0.1:{gate.port}"
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {ada.cookies}\r\n{more}\r\n"
    return head.encode()


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_path_tricks(gate: GateProcess, ada: Browser, kind: str) -> None:
    gate.notebook.seen.clear()
    more = SOCKET if kind == "websocket" else "Connection: close\r\n"
    for path, status in TRICKS.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(request_bytes(gate, ada, path, more))
        async with asyncio.timeout(5):
            got = int((await reader.readline()).split()[1])
        writer.close()
        assert got == status, path
    assert gate.notebook.seen == [], "none of them reached the notebook"


async def test_odd_but_honest_paths_arrive_byte_for_byte(gate: GateProcess, ada: Browser) -> None:
    for path in KEPT:
        status, _, _ = await raw(gate.port, request_bytes(gate, ada, path))
        assert (status, gate.notebook.last()["path"]) == (200, path)


async def test_another_spelling_of_the_prefix_is_the_same_server(gate: GateProcess, ada: Browser) -> None:
    status, _, _ = await raw(gate.port, request_bytes(gate, ada, "/%75ser/ad%61/lab%20x"))
    assert (status, gate.notebook.last()["path"]) == (200, "/user/ada/lab%20x")


async def test_a_client_cannot_vouch_for_itself(gate: GateProcess, ada: Browser) -> None:
    spoofed = {
        "X-Forwarded-User": "root",
        "X_Forwarded_User": "root",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Prefix": "/evil",
        "X-Real-IP": "10.0.0.1",
        "X-Scheme": "gopher",
        "Forwarded": "for=10.0.0.1",
        "X-Remote-User": "root",
        "Remote-User": "root",
        "X-Auth-Request-User": "root",
        "X-Hubernate-User": "root",
        "Proxy-Authorization": "Basic cm9vdA==",
        "X-Hop": "dropped",
        "Connection": "keep-alive, X-Hop",
        "X-Honest": "kept",
    }
    async with ada.get("lab", headers=spoofed) as answer:
        assert answer.status == 200
    names = [name.lower() for name, _ in gate.notebook.seen[-1]["headers"]]
    seen = gate.notebook.last()["headers"]
    assert len(names) == len(set(names))
    assert seen["x-forwarded-user"] == "ada"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-host"] == seen["host"] == f"127.0.0.1:{gate.port}"
    assert seen["x-honest"] == "kept"
    allowed = {"X-Forwarded-User", "X-Forwarded-Host", "X-Forwarded-Proto", "Connection", "X-Honest"}
    assert not {name.lower() for name in set(spoofed) - allowed} & set(names)


async def test_no_cookie_of_the_platform_reaches_the_notebook(gate: GateProcess, ada: Browser) -> None:
    cookies = (
        f"{ada.cookies}; jupyterhub-session-id=; __Host-jupyterhub-user-ada=c; JupyterHub-x=d; theirs=1; other=a=b"
    )
    request = (
        f"GET /user/ada/lab HTTP/1.1\r\nHost: h\r\nConnection: close\r\nCookie: {cookies}\r\nCookie: last=1\r\n\r\n"
    )
    status, _, _ = await raw(gate.port, request.encode())
    assert status == 200
    assert gate.notebook.last()["headers"]["cookie"] == "theirs=1; other=a=b; last=1"


async def test_the_notebook_cannot_speak_for_the_host_name(ada: Browser) -> None:
    async with ada.get("cookies") as answer:
        assert answer.headers.getall("Set-Cookie") == ["mine=1"]
        assert "X-Inner" not in answer.headers and "Service-Worker-Allowed" not in answer.headers
        assert answer.headers["X-Kept"] == "yes"


SMUGGLING = {
    "two lengths": "Content-Length: 3\r\nContent-Length: 4\r\n",
    "length and chunked": "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "odd encoding": "Transfer-Encoding: chunked, identity\r\n",
    "signed length": "Content-Length: +3\r\n",
    "two hosts": "Host: evil.example\r\n",
    "space before colon": "X-Bad : 1\r\n",
    "folded header": "X-Folded: a\r\n b\r\n",
}


async def test_smuggling(gate: GateProcess, ada: Browser) -> None:
    gate.notebook.seen.clear()
    body = b"0\r\n\r\nGET /user/ada/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    for case, more in SMUGGLING.items():
        status, _, _ = await raw(gate.port, request_bytes(gate, ada, "/user/ada/lab", more, "POST") + body)
        assert status == 400, case
    assert gate.notebook.seen == []


async def test_methods_that_are_not_for_notebooks(gate: GateProcess, ada: Browser) -> None:
    for method in ("TRACE", "CONNECT"):
        status, _, _ = await raw(gate.port, request_bytes(gate, ada, "/user/ada/lab", method=method))
        assert status in (400, 405), method


async def test_http_1_0_without_host_is_refused(gate: GateProcess) -> None:
    status, _, _ = await raw(gate.port, b"GET /user/ada/lab HTTP/1.0\r\n\r\n")
    assert status == 400


async def test_a_websocket_is_opened_with_get(gate: GateProcess, ada: Browser) -> None:
    status, _, _ = await raw(
        gate.port, request_bytes(gate, ada, "/user/ada/other/socket", SOCKET + "Connection: close\r\n", "POST")
    )
    assert status == 400


async def test_next_never_leads_away(gate: GateProcess, anyone: Browser) -> None:
    """The target after login is the path that was asked for; it cannot be made to name another host or server."""
    for tail in ("lab?next=http://evil.example", "lab?next=//evil.example", "@evil.example", "%5C%5Cevil.example"):
        answer = await anyone.login(page=tail)
        assert answer.url.host == "127.0.0.1" and answer.url.raw_path.startswith("/user/ada/")
        assert answer.status == 200
        anyone.http.cookie_jar.clear()

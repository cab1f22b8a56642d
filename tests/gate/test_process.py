"""The gate as a process: settings, reload, what it logs, how it ends, how small it is."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from hubernate_core.fingerprint import FINGERPRINT_HEADER, fingerprint
from support.gate_process import NAVIGATE, Browser, GateProcess, browser, raw, whole_gate, write_private
from support.hub_double import HUB_TOKEN, RELAY_TOKEN


async def test_reload_swaps_settings_and_keeps_logins(gate: GateProcess, ada: Browser) -> None:
    lookups = gate.hub.lookups
    gate.rewrite(generation=4, access_scopes=["access:servers!server=ada/other"])
    gate.process.send_signal(signal.SIGHUP)
    await gate.said("settings read again")
    async with ada.get("api/sessions") as answer:
        assert answer.status == 403, "the new scopes count"
    assert gate.hub.lookups == lookups + 1, "and the login was checked anew"
    gate.rewrite(access_scopes=["access:servers!server=ada/"])
    gate.process.send_signal(signal.SIGHUP)
    await gate.said("settings read again", times=2)
    async with ada.get("api/sessions") as answer:
        assert answer.status == 200, "the session itself stayed"


async def test_a_link_that_leads_to_a_new_file_is_read_without_a_signal(tmp_path: Path) -> None:
    """As a kubelet renews a Secret: a new folder, then one link exchanged."""
    for folder in ("..first", "..second"):
        (tmp_path / folder).mkdir()
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "gate.json").symlink_to("..data/gate.json")
    async with whole_gate(tmp_path) as gate:
        assert await told_fingerprint(gate) == fingerprint(HUB_TOKEN, RELAY_TOKEN)
        renewed = gate.config | {"relay_token": "renewed-relay-token"}
        write_private(tmp_path / "..second/gate.json", json.dumps(renewed))
        (tmp_path / "..next").symlink_to("..second")
        (tmp_path / "..next").rename(tmp_path / "..data")
        await gate.said("settings read again")
        assert await told_fingerprint(gate) == fingerprint(HUB_TOKEN, "renewed-relay-token")


async def told_fingerprint(gate: GateProcess) -> str:
    async with browser(gate) as anyone, anyone.get("api") as answer:
        assert answer.status == 200
        return answer.headers[FINGERPRINT_HEADER]


async def test_a_bad_file_changes_nothing(gate: GateProcess, ada: Browser) -> None:
    write_private(gate.file, '{"server_id": ')
    gate.process.send_signal(signal.SIGHUP)
    await gate.said("the old ones stay")
    async with ada.get("api/sessions") as answer:
        assert answer.status == 200


async def test_open_sockets_survive_a_reload(gate: GateProcess, ada: Browser) -> None:
    async with ada.socket("api/kernels/k/channels") as socket:
        gate.process.send_signal(signal.SIGHUP)
        await gate.said("settings read again")
        await socket.send_str("still here")
        assert await socket.receive_str(timeout=5) == "still here"


async def test_nothing_secret_is_logged(gate: GateProcess, ada: Browser, anyone: Browser) -> None:
    gate.rewrite(settings={"log_level": "DEBUG"})
    gate.process.send_signal(signal.SIGHUP)
    await gate.said("settings read again")
    secret = "canary-in-a-query"
    async with ada.get(f"lab?token={secret}", headers=NAVIGATE), ada.get(f"die-chunked?{secret}"):
        pass
    async with anyone.get(f"lab?token={secret}", headers={"Authorization": f"token {secret}", "Cookie": f"c={secret}"}):
        pass
    async with anyone.get(f"oauth_callback?code={secret}&state={secret}"):
        pass
    await raw(gate.port, f"GET /user/ada/x HTTP/1.1\r\nHost: x\r\nCookie: {secret}\r\nBad {secret}\r\n\r\n".encode())
    gate.hub.broken = True
    async with anyone.get("lab", headers={"Authorization": f"token {secret}2"}):
        pass
    await gate.said("was not answered")
    gate.process.terminate()
    await gate.process.wait()
    await asyncio.sleep(0.1)
    log = "".join(gate.lines)
    held = [each.value for each in ada.http.cookie_jar]
    assert held and gate.hub.tokens
    for value in ("canary", HUB_TOKEN, RELAY_TOKEN, *gate.hub.tokens, *held):
        assert value not in log
    for line in gate.lines:
        assert json.loads(line)["level"], line


async def test_it_stops_within_seconds_with_connections_open(gate: GateProcess, ada: Browser) -> None:
    async with ada.socket("api/kernels/k/channels") as socket, ada.get("events") as events:
        await events.content.readline()
        gate.process.terminate()
        async with asyncio.timeout(8):
            assert await gate.process.wait() == 0
            await socket.receive()
    assert not any("error nobody waited for" in line for line in gate.lines), gate.lines


def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    cases = {
        '{"server_id": "x",\n "hub_tokn": "y"}': "hub_tokn: no such field; hub_token?",
        '{"server_id": "x"': "gate.json:1",
        '{"a": 1, "a": 2}': "names a key twice",
        '{"server_id": "x"}': "generation: is missing",
    }
    for text, said in cases.items():
        write_private(file, text)
        done = start(file)
        assert done.returncode == 2 and said in json.loads(done.stderr.splitlines()[-1])["error"], done.stderr
    write_private(file, "{}")
    file.chmod(0o644)
    assert "open to others" in start(file).stderr


def start(file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hubernate_gate.app"],
        env=os.environ | {"HUBERNATE_GATE_CONFIG": str(file)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


async def test_it_is_small(gate: GateProcess) -> None:
    async with browser(gate) as ada:
        (await ada.login()).close()
        for number in range(200):
            async with ada.get(f"api/contents/{number}") as answer:
                assert answer.status == 200
    assert psutil.Process(gate.process.pid).memory_info().rss < 56 << 20


def test_heavy_libraries_stay_out() -> None:
    code = (
        "import sys, hubernate_gate.app; print({'pydantic', 'jupyterhub', 'sqlalchemy', 'tornado'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "set()"

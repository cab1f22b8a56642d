"""The Jobs pages: whose they are, what they say, the end of the log made readable; everything escaped."""

import httpx
import pytest

from hubernate_hub.ui.jobs import readable
from support.jobs import Client, Site

pytestmark = pytest.mark.docker


def page(place: Site, who: Client, path: str = "") -> httpx.Response:
    return place.service.ask("GET", f"/jobs{path}", who.ask.token, headers={"accept": "text/html"})


def test_a_person_sees_theirs_and_an_admin_the_teams(place: Site) -> None:
    ada, eve, boss = place.member("ada"), place.member("eve"), place.member("boss")
    bob = place.member("bob", "biology")
    place.service.person("root", admin=True)("PUT", "/tenants/physics/members/boss", json={"role": "admin"})
    assert "No job yet" in page(place, ada).text
    script = r"printf '\033[1mbold\033[0m <script>\r 10%%\r100%%\n'; echo x > out"
    job = ada.submit(script, name="<i>fit</i>", outputs=["out", "none"])
    ada.until(job)
    listed = page(place, ada).text
    assert "&lt;i&gt;fit&lt;/i&gt;" in listed
    assert f"jobs/physics/{job}" in listed
    assert "<i>fit" not in listed
    one = page(place, ada, f"/physics/{job}").text
    assert '<pre class="hbn-log">100%\n</pre>' in one
    assert f"/api/v1/tenants/physics/jobs/{job}/output?path=out" in one
    assert "Not kept: none: the job did not write it" in one
    assert "Run again" in one
    assert job not in page(place, eve).text
    assert page(place, eve, f"/physics/{job}").status_code == 404
    assert page(place, bob, f"/physics/{job}").status_code == 404
    assert job not in page(place, boss).text
    assert job in page(place, boss, "?everyone=true").text
    assert job not in page(place, eve, "?everyone=true").text
    assert "Run again" not in page(place, boss, f"/physics/{job}").text, "it would run in ada's environment"


def test_a_log_is_shown_as_a_terminal_would_have_left_it() -> None:
    assert readable(b"\x1b[31mred\x1b[0m\r\nline\x00\n 5%\r10%\r") == "red\nline·\n10%"
    assert readable(b"\x1b]0;title\x07after\xff") == "after\ufffd"

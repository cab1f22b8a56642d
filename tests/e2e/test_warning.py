"""Whoever has JupyterLab open is warned there before the environment sleeps, and keeps it awake with a click."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from support.browser import visiting
from support.culling_rule import TENANT, rule
from support.installation import Installation, wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(900)]


def test_a_person_is_warned_in_jupyterlab_and_keeps_it_awake(platform: Installation) -> None:
    linus = platform.person("linus")
    linus.at_rest().start(profile="base", tenant=TENANT)
    with visiting(platform.url, "warning") as visitor:
        visitor.log_in("linus", platform.accounts()["user_password"])
        visitor.page.goto(f"{platform.url}/user/linus/lab")
        visitor.lab_is_open()
        with rule(platform, idle_after="PT3M"):
            warning = visitor.page.get_by_text(re.compile("This environment goes to sleep in"))
            expect(warning).to_be_visible(timeout=240_000)
            visitor.picture("warned")
            assert "after 3 minutes without activity" in warning.inner_text()
            assert linus.platform_server()["warned"]
            visitor.page.get_by_role("button", name="Keep awake for 1 hour").click()
            expect(warning).to_have_count(0)
            expect(visitor.page.get_by_text("kept awake for 1 hour")).to_be_visible()
            visitor.picture("kept-awake")
            sleeps_at = datetime.fromisoformat(linus.platform_server()["sleeps_at"])
            assert sleeps_at - datetime.now(UTC) > timedelta(minutes=55)
            wait_until("it is no longer warned", lambda: not linus.platform_server()["warned"])
    linus.stop()

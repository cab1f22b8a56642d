"""What a job costs, by attempt, and that the team's books have it too."""

from fractions import Fraction
from functools import partial

import pytest

from hubernate_hub.context import Work
from hubernate_hub.services.metering import read_meters
from support.jobs import Site
from support.platform_service import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
soon = partial(eventually, timeout_s=120)


def test_each_attempt_costs_what_it_held_for_as_long_as_it_ran(place: Site) -> None:
    ada, root = place.member("ada"), place.service.person("root", admin=True)
    context = place.service.inside
    prices = {"currency": "EUR", "prices": {"jobs": "10", "cpu": "4", "memory": "16"}}
    job = ada.submit('[ "$HUBERNATE_JOB_ATTEMPT" = 2 ] || exit 1; sleep 100', retries=1)
    ada.until(job, "running")
    assert (ada.job(job)["cost"], ada.job(job)["currency"]) == ("", ""), "nothing is priced"
    assert root("PUT", "/prices", json=prices).status_code == 200

    def second() -> bool:
        return len(ada.job(job)["attempts"]) == 2

    soon("the second attempt runs", second)
    context.store.now(lambda tx: read_meters(Work(tx, context, context.clock())))
    place.service.clock.move(hours=2)
    running = ada.job(job)
    # Two hours of one job with half a core and 64 MiB: 10 + 4/2 + 16/16 an hour.
    assert Fraction(running["cost"]) == pytest.approx(26, abs=1)
    ada.cancel(job)
    done = ada.until(job)
    first, last = done["attempts"]
    assert (first["attempt"], first["end"], last["attempt"], last["end"]) == (1, "failed", 2, "cancelled")
    assert Fraction(last["cost"]) == pytest.approx(26, abs=1)
    assert Fraction(first["cost"]) < 1
    assert Fraction(done["cost"]) == pytest.approx(float(Fraction(first["cost"]) + Fraction(last["cost"])), abs=0.011)
    place.service.clock.move(hours=5)
    assert ada.job(job)["cost"] == done["cost"], "what is over costs no more"
    assert ada.get("").json()["items"][0]["cost"] == done["cost"]
    context.store.now(lambda tx: read_meters(Work(tx, context, context.clock())))
    query = {"tenant": "physics", "from": running["created_at"][:10], "to": f"{context.clock().date()}"}
    books = root("GET", "/usage", params=query).json()["total"]
    assert Fraction(books["amounts"]["jobs"]) == pytest.approx(2, abs=0.1), books
    assert Fraction(books["amounts"]["cpu"]) == pytest.approx(1, abs=0.1)
    assert Fraction(books["cost"]) == pytest.approx(26, abs=1)
    page = place.service.ask("GET", f"/jobs/physics/{job}", ada.ask.token, headers={"accept": "text/html"}).text
    assert f"{done['cost']} EUR" in page
    assert "Attempt 1" in page

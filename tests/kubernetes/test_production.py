"""Overlay `production` on a real cluster: PostgreSQL, a registry with TLS and a login, an identity provider."""

from collections.abc import Iterator

import psycopg
import pytest

from support import cluster_surroundings
from support.at_work import come_back, working
from support.cluster import Cluster
from support.cluster_platform import Platform, platform_on
from support.cluster_surroundings import Surroundings, surroundings
from support.doctor import examine
from support.installation import wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def around(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    if why := cluster_surroundings.missing():
        pytest.skip(why)
    with surroundings(cluster, tmp_path_factory.mktemp("around")) as made:
        yield made


@pytest.fixture(scope="module")
def production(cluster: Cluster, around: Surroundings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_on(cluster, tmp_path_factory.mktemp("production"), around) as running:
        yield running


def _rows(url: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(question).fetchall()


def test_a_day_of_two_people_from_the_provider(production: Platform, around: Surroundings) -> None:
    ada, first = working(production, "ada", wait_s=400)
    linus, other = working(production, "linus", wait_s=400)
    spaces = {each["metadata"]["namespace"] for each in production.pods()}
    assert len(spaces) == 2, "the provider's groups are the teams"
    ada.shell("pip install --quiet cowsay")
    for person in (ada, linus):
        person.stop(wait_s=300)
    assert not production.pods()
    saved = {each["id"] for each in (*ada.checkpoints(), *linus.checkpoints())}
    assert saved == {each[0] for each in _rows(around.service_db, "SELECT id FROM checkpoints")}
    tags = around.registry.tags()
    assert sum(len(tags[name]) for name in tags if not name.startswith(("hubernate/", "profiles/"))) >= 2, tags
    come_back(ada, first)
    come_back(linus, other)
    assert "moo" in ada.shell("python -c 'import cowsay; cowsay.cow(\"moo\")'"), "what pip installed is there"


def test_a_restart_of_everything_loses_nobody(production: Platform, around: Surroundings) -> None:
    """Nothing of hub and service lies on their pods' disks."""
    ada, mark = working(production, "ada", size=1000, wait_s=400)
    before = production.pod_of(ada)["metadata"]["uid"]
    for deployment in ("hub", "service", "proxy"):
        production.kubectl("rollout", "restart", f"deployment/{deployment}")
    for deployment in ("hub", "service", "proxy"):
        production.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=180s", timeout_s=200)
    wait_until("the platform answers", production.answers, timeout_s=120)
    wait_until("the route is back", lambda: ada.notebook("GET", "api").status_code == 200, timeout_s=90)
    assert production.pod_of(ada)["metadata"]["uid"] == before
    assert ada.shell("cat /opt/env/mark.txt").strip() == mark, "the same token, the same server"
    assert ("ada",) in _rows(around.hub_db, "SELECT name FROM users")
    ada.stop(wait_s=300)
    assert ada.platform_server()["state"] == "asleep"


def test_the_doctor_finds_it_well(production: Platform) -> None:
    code, found = examine(production)
    assert (code, [each for each in found.values() if each["grade"] == "wrong"]) == (0, [])

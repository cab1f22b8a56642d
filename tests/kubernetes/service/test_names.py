"""Names that people choose never decide where something lies on the cluster (B01-B03): ids of the database do.

Pairs that hubs have mixed up; KubeSpawner makes one slug of the first two (32 bits of a hash).
"""

import itertools

from hubernate_core.server import Ticket
from support.kube_platform import Platform, pod_of
from support.platform_service import eventually

COLLIDING = ("alice@example.com", "alice@+@_=,=+example..@...com")
PEOPLE = (
    *((user, "") for user in COLLIDING),
    ("a-b", "c"),
    ("a", "b-c"),
    ("a-b-c", ""),
    ("x--y", ""),
    ("x-y", ""),
    ("a---1234abcd", ""),
    ("kube-system", ""),
    ("default", ""),
    ("{username}", ""),
    ("a,tenant=b", ""),
)


def ticket(platform: Platform, user: str, name: str) -> Ticket:
    answer = eventually(
        "a ticket",
        lambda: (a := platform.service.request_start(user, name=name, profile="base")).status_code != 503 and a,
        timeout_s=60,
    )
    assert answer.status_code == 200, answer.text
    return Ticket.model_validate(answer.json())


def test_no_two_people_meet_whatever_they_are_called(platform: Platform) -> None:
    platform.change_tenant("physics", quota={"servers": len(PEOPLE)})
    made = {who: ticket(platform, *who) for who in PEOPLE}
    namespace = platform.namespace("physics")
    for one, other in itertools.combinations(made.values(), 2):
        assert one.server_id != other.server_id and one.home_volume != other.home_volume
        assert one.owner_id != other.owner_id
    pods = {who: pod_of(each, platform.instance) for who, each in made.items()}
    assert len({pod["metadata"]["name"] for pod in pods.values()}) == len(PEOPLE)
    for who, each in made.items():
        assert each.placement is not None and each.placement.namespace == namespace, "of the team, not of the person"
        assert who[0] not in pods[who]["metadata"]["name"] or len(who[0]) < 3
        platform.admin("POST", f"/api/v1/namespaces/{namespace}/pods", pods[who])


def test_a_person_with_two_servers_has_one_home(platform: Platform) -> None:
    one, other = ticket(platform, "ada", ""), ticket(platform, "ada", "gpu")
    assert one.owner_id == other.owner_id and one.server_id != other.server_id

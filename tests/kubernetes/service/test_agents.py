"""Agents are who the cluster says they are (B25)."""

import base64
import json

import pytest

from support.kube_platform import Platform
from support.platform_service import agent_token


@pytest.fixture
def node(platform: Platform) -> str:
    nodes = platform.admin("GET", "/api/v1/nodes")["items"]
    return str(nodes[0]["metadata"]["name"])


def test_an_agent_speaks_for_its_own_node_only(platform: Platform, node: str) -> None:
    agent = platform.agent(node)
    assert agent.poll().orders == ()
    other = agent.ask("/poll", {"node": "node-of-another", "version": "test", "wait_s": 0})
    assert other.status_code == 403


@pytest.mark.parametrize(
    ("account", "audience", "bound", "told"),
    [
        ("agent", "https://kubernetes.default.svc", True, "does not know"),
        ("hub", "hubernate", True, "not an agent"),
        ("agent", "hubernate", False, "names no node"),
    ],
)
def test_any_other_token_is_refused(
    platform: Platform, node: str, account: str, audience: str, bound: bool, told: str
) -> None:
    token = platform.token(node, account=account, audience=audience, bound=bound)
    answer = platform.agent(node).ask("/poll", {"node": node, "version": "test", "wait_s": 0}, token)
    assert answer.status_code == 401
    assert told in answer.json()["detail"]
    assert token not in answer.text


def test_forged_and_docker_tokens_are_refused(platform: Platform, node: str) -> None:
    head, body, signature = platform.token(node).split(".") if platform.token(node).count(".") == 2 else ("a", "b", "c")
    forged = ".".join((head, body, signature[::-1]))
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    for token in (forged, f"{none}.{body}.", agent_token("local"), "x.y.z"):
        answer = platform.agent(node).ask("/poll", {"node": node, "version": "test", "wait_s": 0}, token)
        assert answer.status_code == 401, token

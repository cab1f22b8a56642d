"""Whose token it is: only an agent's, made for us, bound to a node. Good and bad words are kept for a short while."""

import asyncio
from typing import Any, cast

import pytest

from hubernate_core.errors import NotAllowed, Unavailable
from hubernate_hub.kube import tokens
from hubernate_hub.kube.client import KubeApi
from hubernate_hub.kube.config import KubernetesBackend
from hubernate_hub.kube.tokens import NODE_EXTRA, AgentTokens, Expected, node_in

EXPECTED = Expected("system:serviceaccount:hubernate:agent", "hubernate")


def review(**changes: Any) -> dict[str, Any]:
    user = {"username": EXPECTED.user, "extra": {NODE_EXTRA: ["node-1"]}} | changes.pop("user", {})
    return {"status": {"authenticated": True, "audiences": ["hubernate"], "user": user} | changes}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (review(authenticated=False), "does not know"),
        ({"status": {"error": "invalid bearer token"}}, "does not know"),
        ({}, "does not know"),
        (review(audiences=["https://kubernetes.default.svc"]), "audience"),
        (review(audiences=[]), "audience"),
        (review(user={"username": "system:serviceaccount:hubernate:hub"}), "not an agent's"),
        (review(user={"username": "system:serviceaccount:other:agent"}), "not an agent's"),
        (review(user={"extra": {}}), "no node"),
        (review(user={"extra": None}), "no node"),
        (review(user={"extra": {NODE_EXTRA: ["a", "b"]}}), "no node"),
        (review(user={"extra": {NODE_EXTRA: [""]}}), "no node"),
    ],
)
def test_any_doubt_is_a_refusal(said: dict[str, Any], told: str) -> None:
    with pytest.raises(NotAllowed, match=told):
        node_in(said, EXPECTED)


def test_an_agent_is_of_its_node() -> None:
    assert node_in(review(), EXPECTED) == "node-1"


class Api:
    """Answers reviews, and counts them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: dict[str, Any] | Exception = review()

    async def create(self, resource: object, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body["spec"]["token"])
        assert body["spec"]["audiences"] == ["hubernate"]
        await asyncio.sleep(0.01)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def agents(api: Api, **settings: float) -> AgentTokens:
    return AgentTokens(cast(KubeApi, api), KubernetesBackend(**settings), "hubernate")


async def test_a_token_is_asked_about_once_however_often_it_comes() -> None:
    api = Api()
    known = agents(api)
    assert set(await asyncio.gather(*(known.node_of("a.b.c") for _ in range(20)))) == {"node-1"}
    assert await known.node_of("a.b.c") == "node-1"
    assert api.asked == ["a.b.c"]


async def test_an_old_word_is_not_believed() -> None:
    api = Api()
    known = agents(api, token_cache_s=0.05)
    await known.node_of("a.b.c")
    api.answer = review(authenticated=False)
    await asyncio.sleep(0.1)
    with pytest.raises(NotAllowed):
        await known.node_of("a.b.c")


async def test_a_refusal_is_kept_and_a_silence_is_not() -> None:
    api = Api()
    known = agents(api)
    api.answer = Unavailable("away")
    with pytest.raises(Unavailable):
        await known.node_of("a.b.c")
    api.answer = review(authenticated=False)
    for _ in range(3):
        with pytest.raises(NotAllowed):
            await known.node_of("a.b.c")
    assert len(api.asked) == 2


async def test_what_can_be_no_token_of_a_cluster_is_not_asked_about() -> None:
    api = Api()
    with pytest.raises(NotAllowed):
        await agents(api).node_of("agent-token-of-docker")
    assert api.asked == []


async def test_the_memory_for_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_KEPT_MAX", 5)
    api = Api()
    known = agents(api)
    for number in range(20):
        await known.node_of(f"a.b.{number}")
    assert len(known._known) == 5
    assert all("a.b." not in each for each in known._known), "tokens are kept as digests"

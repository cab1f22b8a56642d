"""Who an agent is: the API server's word about its projected token. Source: authentication.k8s.io/v1 TokenReview."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import NotAllowed

from .client import KubeApi
from .config import KubernetesBackend
from .resources import TOKEN_REVIEWS

NODE_EXTRA = "authentication.kubernetes.io/node-name"
"""Part of a token bound to a pod since Kubernetes 1.30; a token that anybody could have asked for has none."""
_KEPT_MAX = 10_000
_AT_ONCE = 8


@dataclass(frozen=True)
class Expected:
    """Whom a token must be of: ``system:serviceaccount:NAMESPACE:NAME``, made for `audience`."""

    user: str
    audience: str


def node_in(review: Mapping[str, Any], expected: Expected) -> str:
    """The node of the agent that a reviewed token is of.

    Raises:
        NotAllowed: it is nobody's, another audience's, another account's, or of no node. The token is not in the text.
    """
    status = review.get("status") or {}
    user = status.get("user") or {}
    if status.get("authenticated") is not True:
        raise NotAllowed("the cluster does not know this token")
    if expected.audience not in (status.get("audiences") or ()):
        raise NotAllowed(f"this token was not made for the audience {expected.audience!r}")
    if user.get("username") != expected.user:
        raise NotAllowed("this token is not an agent's")
    nodes: Sequence[Any] = (user.get("extra") or {}).get(NODE_EXTRA) or ()
    if len(nodes) != 1 or not nodes[0]:
        raise NotAllowed("this token names no node; agents need Kubernetes 1.30 or newer and a projected token")
    return str(nodes[0])


class AgentTokens:
    """Asks, and remembers the answer for a short while: by digest, so that no token stays in memory."""

    def __init__(self, api: KubeApi, settings: KubernetesBackend, namespace: str) -> None:
        self._api, self._keep_s = api, min(settings.token_cache_s, 60)
        account = f"system:serviceaccount:{namespace}:{settings.agent_service_account}"
        self._expected = Expected(account, settings.audience)
        self._known: OrderedDict[str, tuple[float, str, str]] = OrderedDict()  # digest → (until, node, why not)
        self._asking: dict[str, asyncio.Task[tuple[str, str]]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def node_of(self, token: str) -> str:
        """The node of the agent that holds `token`.

        Raises:
            NotAllowed: as `node_in`.  Unavailable: the API server does not answer, and the answer is not known.
        """
        if token.count(".") != 2:
            raise NotAllowed("this is no token of a service account")  # not worth a question
        digest = hashlib.sha256(token.encode()).hexdigest()
        until, node, refused = self._known.get(digest, (0.0, "", ""))
        if until <= time.monotonic():
            node, refused = await self._ask_once(digest, token)
        if refused:
            raise NotAllowed(refused)
        return node

    async def _ask_once(self, digest: str, token: str) -> tuple[str, str]:
        """Ask; those who want to know the same meanwhile get the same answer."""
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._ask(digest, token))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: str, token: str) -> tuple[str, str]:
        spec = {"token": token, "audiences": [self._expected.audience]}
        body = {"apiVersion": TOKEN_REVIEWS.version, "kind": TOKEN_REVIEWS.kind, "spec": spec}
        async with self._slots:
            review = await self._api.create(TOKEN_REVIEWS, body)
        node = refused = ""
        try:
            node = node_in(review, self._expected)
        except NotAllowed as problem:
            refused = problem.message
        self._known[digest] = (time.monotonic() + self._keep_s, node, refused)
        self._known.move_to_end(digest)
        while len(self._known) > _KEPT_MAX:
            self._known.popitem(last=False)
        return node, refused

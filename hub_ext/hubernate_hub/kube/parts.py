"""The cluster's side of the service, put together."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hubernate_core.errors import InvalidInput
from hubernate_core.kubernetes import Cluster
from hubernate_core.tenant import Tenant

from ..bell import Bell
from .client import KubeApi, check_settings
from .config import KubernetesBackend
from .nodes import Node, Nodes, read_node
from .pods import Pod, Pods, our_pods, read_pod
from .resources import NODES, PODS, Object
from .sight import PodSight
from .spaces import Spaces
from .tokens import AgentTokens
from .watch import Informer

Build = Callable[[Tenant], Sequence[Object]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KubeParts:
    """What the service knows of and does on a cluster."""

    settings: KubernetesBackend
    cluster: Cluster
    api: KubeApi
    pods: Pods
    sight: PodSight
    nodes: Nodes
    spaces: Spaces
    tokens: AgentTokens
    informers: tuple[Informer[Any], ...]

    def start(self) -> list[asyncio.Task[None]]:
        """Begin to watch; cancel the tasks to end it."""
        return [asyncio.create_task(each.run(), name=f"watch {each.kind}") for each in self.informers]

    async def close(self) -> None:
        """Give the connections back."""
        await self.api.close()


def build_parts(
    settings: KubernetesBackend, cluster: Cluster, instance: str, *, gone_after_s: float, bell: Bell, build: Build
) -> KubeParts:
    """The parts; nothing is asked of the API server yet.

    Raises:
        InvalidInput: a setting that cannot work.
    """
    check_settings(settings)
    api = KubeApi(settings)
    sight, nodes = PodSight(bell, gone_after_s, settings.watch_silent_s), Nodes(settings.not_ready_after_s)

    def read(thing: Object) -> Pod | None:
        return read_pod(thing, instance)

    pods_seen: Informer[Pod] = Informer(api, PODS, read, selector=our_pods(instance), on_change=sight.changed)
    nodes_seen: Informer[Node] = Informer(api, NODES, read_node, on_change=nodes.changed)
    sight.watch(pods_seen)
    return KubeParts(
        settings=settings,
        cluster=cluster,
        api=api,
        pods=Pods(api, settings, bell),
        sight=sight,
        nodes=nodes,
        spaces=Spaces(api, instance, build),
        tokens=AgentTokens(api, settings, cluster.namespace),
        informers=(pods_seen, nodes_seen),
    )


def read_cluster(path: Path) -> Cluster:
    """The cluster as the installation described it in ``platform.json``.

    Raises:
        InvalidInput: the file is missing or wrong, naming the field.
    """
    try:
        found = json.loads(path.read_text()).get("kubernetes")
        if found is None:
            raise InvalidInput(str(path), "it has no 'kubernetes'; this installation is for one machine")
        return Cluster.model_validate(found)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(("kubernetes", *(str(part) for part in first["loc"])))
        raise InvalidInput(f"{path}: {field}", first["msg"]) from problem
    except (OSError, ValueError, AttributeError) as problem:
        raise InvalidInput(str(path), f"cannot be read: {problem}") from problem

"""The hub's side of the benchmarks on the fake API server: spawners in a process and event loop of their own.

No web pages and no database: what is measured is the spawner, as JupyterHub calls it (`start`, and then the wait until
the server answers over HTTP). Ours and KubeSpawner, the stock one, are driven alike.
"""

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any

from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.utils import wait_for_http_server
from kubespawner import KubeSpawner
from traitlets.config import Config

from hubernate_spawner.kubernetes import TenantKubeSpawner

Work = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Ours:
    """A hub with our spawner."""

    kubeconfig: str
    instance: str
    service_url: str
    token_file: str
    gate_image: str

    def spawner(self, user: str, group: str) -> Any:
        """As the hub makes one for a person's server; `group` is the tenant."""
        settings = {
            "instance": self.instance,
            "gate_image": self.gate_image,
            "service_url": self.service_url,
            "service_token_file": self.token_file,
        }
        return _made(TenantKubeSpawner, Config(TenantKubeSpawner=settings), user, group)


@dataclass(frozen=True)
class Stock:
    """A hub with KubeSpawner: a namespace and a home for everybody, as ours has them."""

    kubeconfig: str
    image: str

    def spawner(self, user: str, group: str) -> Any:
        """As the hub makes one; it knows no groups."""
        settings = {
            "image": self.image,
            "enable_user_namespaces": True,
            "storage_pvc_ensure": True,
            "storage_capacity": "1Gi",
            "storage_access_modes": ["ReadWriteOnce"],
            "pvc_name_template": "home-{user_server}",
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}],
            "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
            "cpu_limit": 0.1,
            "mem_limit": "64M",
            "start_timeout": 600,
        }
        return _made(KubeSpawner, Config(KubeSpawner=settings), user, group)


def _made(kind: type[Any], config: Config, user: str, group: str) -> Any:
    url = f"/user/{user}/"
    server = orm.Server(proto="http", ip="", port=0, base_url=url, cookie_name="bench")
    groups = [SimpleNamespace(name=group)]
    return kind(
        user=SimpleNamespace(name=user, escaped_name=user, url=url, groups=groups, settings={}, id=1),
        orm_spawner=SimpleNamespace(name="", user_options={}, server=server, state={}, id=1),
        hub=Hub(ip="127.0.0.1", port=8081, base_url="/hub/", public_host=""),
        config=config,
        api_token="t" * 32,
        oauth_client_id=f"jupyterhub-user-{user}",
    )


@contextmanager
def hub_process(side: Ours | Stock) -> Iterator[Callable[..., Future[Any]]]:
    """A hub in a process of its own, which begins with nothing: call with a coroutine function and its arguments.

    Its first argument is `side`. All calls run one after another in one event loop, so that watches go on.
    """
    os.environ["KUBECONFIG"] = side.kubeconfig  # read when the client is imported, so before that
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda work, *arguments: pool.submit(_run, work, side, *arguments)


_loops: list[asyncio.Runner] = []


def _run(work: Work, *arguments: Any) -> Any:
    logging.disable(logging.ERROR)
    if not _loops:
        _loops.append(asyncio.Runner())
    try:
        return _loops[0].run(work(*arguments))
    except Exception:  # noqa: BLE001 - the hub's own errors cannot be sent to another process
        raise RuntimeError(traceback.format_exc()) from None


async def started(spawner: Any) -> float:
    """Seconds from the hub's call of `start` until the server answers."""
    begun = time.monotonic()
    url = await spawner.start()
    if not isinstance(url, str):
        url = "http://{}:{}".format(*url)
    await wait_for_http_server(f"{url}{spawner.user.url}api", timeout=120)
    return time.monotonic() - begun


async def all_started(spawners: Sequence[Any], at_once: int) -> tuple[float, list[float]]:
    """Start them, `at_once` at a time: seconds until the last one answers, and the seconds of each."""
    turn = asyncio.Semaphore(at_once)

    async def one(spawner: Any) -> float:
        async with turn:
            return await started(spawner)

    begun = time.monotonic()
    each = await asyncio.gather(*(one(spawner) for spawner in spawners))
    return time.monotonic() - begun, each

"""How many notebooks a hub starts per second with our spawner, against stock DockerSpawner on the same machine.

    python bench/spawn.py [--rounds 3] [--servers 8]

Two real hubs with their proxies take turns; the images are stand-ins that answer at once, so that hub, spawner, engine
are measured. Ours starts two containers for each of stock's one: the gate is the price of keeping the Hub token
from the notebook. The platform service is scripted.
"""

import argparse
import asyncio
import contextlib
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import docker
import httpx

from figures import note, report
from hubernate_core import names
from support.fake_service import FakeService, Installed
from support.hub_process import HubProcess, proxy_command
from support.stand_in import Images, stand_ins

STOCK = """
c = get_config()
load_subconfig({parts!r} + "/10-platform.py")
load_subconfig({parts!r} + "/20-auth.py")
load_subconfig({parts!r} + "/40-service.py")
c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = {image!r}
c.DockerSpawner.cmd = ["/stand-in", "plain"]
c.DockerSpawner.pull_policy = "never"
c.DockerSpawner.remove = True
c.DockerSpawner.prefix = {prefix!r}
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.mem_limit = "64M"
c.DockerSpawner.extra_host_config = {{"init": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}}
c.Spawner.server_token_scopes = ["users:activity!user"]
"""


class ManyServers(FakeService):
    """One scripted server for each user."""

    def __init__(self, instance: str, image: str, registry: str, users: list[str]) -> None:
        super().__init__(instance, image, registry)
        self.step_s = 0.0
        self._one = {user: FakeService(instance, image, registry) for user in users}
        for one in self._one.values():
            one.tenant_id, one.step_s, one.url = self.tenant_id, 0.0, self.url

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """The answer of the server that is meant."""
        if path.endswith("servers/start"):
            return self._one[body["user"]].answer(path, body)
        return next(
            one.answer(path, body)
            for one in self._one.values()
            if one.server_id in path or any(key in path for key in one.operations)
        )


async def all_at_once(hub: HubProcess, users: list[str]) -> float:
    """Start every user's server at the same moment; servers per second until the last one is ready."""
    token = (hub.state / "secrets/service-token").read_text()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{hub.ports['hub']}/hub/api/",
        headers={"Authorization": f"token {token}"},
        timeout=60,
    ) as api:

        async def one(user: str) -> None:
            (await api.post(f"users/{user}/server")).raise_for_status()

        async def all_ready() -> bool:
            # One request for all: asking for each would keep the hub busier than the starts do.
            known = {each["name"]: each["servers"] for each in (await api.get("users")).json()}
            return all(known[user].get("", {}).get("ready") for user in users)

        begun = time.monotonic()
        await asyncio.gather(*(one(user) for user in users))
        while not await all_ready():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        rate = len(users) / (time.monotonic() - begun)
        await asyncio.gather(*(api.delete(f"users/{user}/server") for user in users))
        while any([(await api.get(f"users/{user}")).json()["servers"] for user in users]):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return rate


def measure(folder: Path, images: Images, users: list[str], rounds: int) -> tuple[list[float], list[float]]:
    """Servers per second, ours and stock, one of each a round; a first round warms both up and does not count."""
    instance = "b" + secrets.token_hex(4)
    config = Path(__file__).resolve().parents[1] / "config"
    proxy = proxy_command(folder)
    ours: list[float] = []
    stock: list[float] = []
    with ManyServers(instance, images.notebook, images.registry, users) as service, contextlib.ExitStack() as stack:
        hubs = []
        for name in ("ours", "stock"):
            state = folder / name
            state.mkdir()
            settings = config / "jupyterhub_config.py"
            if name == "stock":
                settings = folder / "stock_config.py"
                parts = str(config / "jupyterhub_config.d")
                settings.write_text(STOCK.format(parts=parts, image=images.plain, prefix=instance))
            hub = HubProcess(state, Installed(service, images, state / "secrets/spawner-token"), settings, users)
            stack.callback(hub.close)
            hub.start_proxy(proxy)
            hub.start_hub()
            hubs.append(hub)
        try:
            for number in range(rounds + 1):
                for hub, rates in zip(hubs, (ours, stock), strict=True):
                    rates.append(asyncio.run(all_at_once(hub, users)))
                note(f"round {number}: ours {ours[-1]:.2f}/s, stock {stock[-1]:.2f}/s")
        finally:
            remove(instance)
    return ours[1:], stock[1:]


def remove(instance: str) -> None:
    """Take away what the rounds left on the engine."""
    engine = docker.from_env()
    ours = {"label": f"{names.INSTANCE_LABEL}={instance}"}
    for container in engine.containers.list(all=True):
        if container.name.startswith(f"{instance}-"):
            container.remove(force=True)
    for network in engine.networks.list(filters=ours):
        network.remove()
    for volume in engine.volumes.list(filters=ours):
        volume.remove()


def main() -> None:
    """Measure and report `spawn.ratio_to_stock`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--servers", type=int, default=8)
    chosen = arguments.parse_args()
    users = [f"user{number}" for number in range(chosen.servers)]
    with tempfile.TemporaryDirectory() as folder, stand_ins(Path(folder)) as images:
        ours, stock = measure(Path(folder), images, users, chosen.rounds)
    ratios = [mine / theirs for mine, theirs in zip(ours, stock, strict=True)]
    report("spawn.ratio_to_stock", statistics.median(ratios), "x", "stock DockerSpawner")
    report("spawn.per_second", statistics.median(ours), "1/s", "")


if __name__ == "__main__":
    main()

"""Tells the platform service what a server is doing, and the hub when it was last active.

A busy kernel and a terminal with a child count whoever watches. While the notebook does not answer (it is frozen, or
starved by its own work) what it last said is repeated: silence is not idleness.
"""

import asyncio
import contextlib
import logging
import random
from datetime import UTC, datetime, timedelta

import aiohttp

from hubernate_core.errors import HubernateError, Unavailable

from .activity import Activity
from .config import Gate, GateSettings
from .hub import Hub
from .reading import read_json

log = logging.getLogger(__name__)
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Reporter:
    """One server's reports. The platform service gets one each round, the hub only news (`hubernate_core.wire`)."""

    def __init__(
        self, client: aiohttp.ClientSession, settings: GateSettings, gate: Gate, hub: Hub, activity: Activity
    ) -> None:
        self._client = client
        self._settings = settings
        self._gate = gate
        self._hub = hub
        self._activity = activity
        self._told_hub: float | None = None

    async def run(self) -> None:
        """Report forever, give or take a tenth of the interval so that a thousand gates do not report at once; and at
        once when a person comes back.
        """
        while True:
            pause = self._gate.activity_interval_s * random.uniform(0.9, 1.1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._activity.came_back.wait(), pause)
            self._activity.came_back.clear()
            try:
                await self.report()
            except Exception:  # a server that stopped reporting would be put to sleep under its user
                log.exception("a report of activity failed; the next one is due as usual")

    async def report(self) -> None:
        """One round: look, tell the platform service, tell the hub. What fails is logged and said again next time."""
        await self._look()
        for name, tell in (("platform service", self._tell_service), ("hub", self._tell_hub)):
            try:
                await tell()
            except HubernateError as error:
                log.warning("the report of activity did not reach the %s", name, extra={"error": error.message})

    async def _look(self) -> None:
        seen = self._activity
        try:
            seen.kernels_busy = count_busy(await self._get("api/kernels?no_track_activity=1"))
        except Unavailable as error:
            log.info("the notebook does not say how busy its kernels are", extra={"error": error.message})
        try:
            answer = await self._get("hubernate/api/activity", missing={})
            seen.gpu = read_gpu(answer)
            seen.terminals_busy = read_terminals(answer)
        except Unavailable as error:
            seen.gpu = None  # not known now, and so not idle
            log.info("the notebook does not say how busy its terminals are", extra={"error": error.message})
        if seen.kernels_busy or seen.terminals_busy:
            seen.busy_at = asyncio.get_running_loop().time()

    async def _get(self, path: str, *, missing: object = None) -> object:
        """The notebook's answer.

        Args:
            missing: what a 404 means, None if it means nothing.

        Raises:
            Unavailable: no answer, another status, or not JSON of a sane size.
        """
        url = self._settings.upstream.rstrip("/") + self._settings.prefix + path
        try:
            async with self._client.get(url, timeout=_TIMEOUT, allow_redirects=False) as response:
                status = response.status
                answer = await read_json(response) if status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the notebook does not answer ({type(error).__name__})") from error
        if status == 404 and missing is not None:
            return missing
        if answer is None:
            raise Unavailable(f"it answered {status}, or what cannot be read", status=status)
        return answer

    async def _tell_service(self) -> None:
        now, person_at = asyncio.get_running_loop().time(), self._activity.person_at
        body = {
            "generation": self._settings.generation,
            "person_age_s": None if person_at is None else round(now - person_at, 1),
            "kernels_busy": self._activity.kernels_busy,
            "terminals_busy": self._activity.terminals_busy,
            "seen_at": datetime.now(UTC).isoformat(),
        }
        if self._activity.gpu is not None:
            body["gpu"] = self._activity.gpu
        url = f"{self._settings.service_url.rstrip('/')}/api/v1/gate/activity"
        headers = {"Authorization": f"Bearer {self._settings.relay_token}"}
        try:
            async with self._client.post(
                url, json=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"it does not answer ({type(error).__name__})") from error
        if status >= 300:
            raise Unavailable(f"it answered {status}", status=status)

    async def _tell_hub(self) -> None:
        latest = max((at for at in (self._activity.person_at, self._activity.busy_at) if at is not None), default=None)
        if latest is None or latest == self._told_hub:
            return
        age = asyncio.get_running_loop().time() - latest
        await self._hub.report_activity(datetime.now(UTC) - timedelta(seconds=age))
        self._told_hub = latest


def count_busy(kernels: object) -> int:
    """How many of the answer of ``/api/kernels`` are at work: busy, or starting up.

    Raises:
        Unavailable: it is not a list of kernels.
    """
    if not isinstance(kernels, list):
        raise Unavailable("what it says of its kernels is no list")
    states = (kernel.get("execution_state") for kernel in kernels if isinstance(kernel, dict))
    return sum(state in ("busy", "starting", "restarting") for state in states)


def read_gpu(answer: object) -> float | None:
    """Share of the busiest GPU in use in the answer of ``hubernate/api/activity``; None: it does not say."""
    told = answer.get("gpu") if isinstance(answer, dict) else None
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told <= 1 else None


def read_terminals(answer: object) -> int:
    """Terminals at work in the answer of ``hubernate/api/activity``; 0 in an empty one: there is no such extension.

    Raises:
        Unavailable: it is not that answer.
    """
    told = answer.get("terminals_busy", 0 if not answer else None) if isinstance(answer, dict) else None
    if not isinstance(told, int) or told < 0:
        raise Unavailable("what it says of its terminals is no number")
    return told

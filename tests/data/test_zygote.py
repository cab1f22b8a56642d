"""Workers are forked from a process that is fit for it, die alone, and leave nothing behind."""

import asyncio

import psutil
import pytest

from hubernate_hub.data.frames import Gone
from hubernate_hub.data.zygote import Zygote
from support.platform_service import eventually

from .processes import workers


def test_workers_are_forked_from_one_thread_and_die_alone() -> None:
    async def scene() -> None:
        zygote = Zygote()
        one, other = await zygote.fork(), await zygote.fork()
        parent = psutil.Process(one.pid).parent()
        assert parent is not None and parent.num_threads() == 1, "a thread might hold a lock when it forks"
        one.kill()
        assert one.is_gone() and not other.is_gone()
        eventually("it is dead", lambda: not alive(one.pid))
        third = await zygote.fork()
        assert alive(other.pid) and alive(third.pid)
        eventually("nor is it left as a zombie", lambda: not psutil.pid_exists(one.pid))
        await zygote.close()
        assert not (alive(other.pid) or alive(third.pid) or psutil.pid_exists(parent.pid))

    asyncio.run(scene())


def test_a_dead_zygote_takes_its_workers_along_and_is_replaced() -> None:
    async def scene() -> None:
        zygote = Zygote()
        first = await zygote.fork()
        parent = psutil.Process(first.pid).parent()
        assert parent is not None
        parent.kill()
        with pytest.raises(Gone):
            await asyncio.wait_for(first.receive(), 10)
        first.kill()
        assert alive((await zygote.fork()).pid)
        await zygote.close()
        assert workers() == set()

    asyncio.run(scene())


def test_whoever_leaves_before_the_worker_is_there_leaves_none_behind() -> None:
    async def scene() -> None:
        zygote = Zygote()
        await zygote.fork()
        leaving = asyncio.create_task(zygote.fork())
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        after = await zygote.fork()
        await after.call({"nonsense": True})
        with pytest.raises(Gone):
            await asyncio.wait_for(after.receive(), 10)
        await zygote.close()

    asyncio.run(scene())


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE

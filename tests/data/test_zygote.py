"""Workers are forked from a process that is fit for it, die alone, and leave nothing behind."""

import asyncio
import os
import socket
import ssl

import psutil
import pytest

from hubernate_core.errors import Unavailable
from hubernate_hub.data.config import DataGateway
from hubernate_hub.data.frames import FORK, Gone
from hubernate_hub.data.pool import Pool
from hubernate_hub.data.worker import zygote as program
from hubernate_hub.data.worker.main import _as_fault
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


def test_a_machine_that_gives_no_process_ends_none_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    service, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(program.os, "fork", lambda: (_ for _ in ()).throw(OSError("no more processes")))
    with control, ours:
        socket.send_fds(service, [FORK], [theirs.fileno()])
        theirs.close()
        service.shutdown(socket.SHUT_WR)
        program._obey(control, {os.getpid()})
        assert int.from_bytes(service.recv(64)) == 0
        assert ours.recv(1) == b"", "the worker's end was closed"
    service.close()


def test_one_tenant_has_half_of_all_processes() -> None:
    async def scene() -> None:
        pool = Pool(DataGateway(workers=4, queue_s=0.5))
        taken = [(key, await pool.take(key, "physics")) for key in ("one.1", "two.1")]
        with pytest.raises(Unavailable):
            await pool.take("three.1", "physics")
        taken += [(key, await pool.take(key, "biology")) for key in ("four.1", "five.1")]
        key, process = taken.pop(0)
        pool.give_back(key, process, healthy=True)
        taken.append(("three.1", await pool.take("three.1", "physics")))
        for key, process in taken:
            pool.give_back(key, process, healthy=True)
        await pool.close()

    asyncio.run(scene())


def test_a_process_that_comes_free_goes_to_who_waits_for_one() -> None:
    async def scene() -> None:
        pool = Pool(DataGateway(workers=1, queue_s=30))
        first = await pool.take("one.1", "physics")
        waiting = asyncio.create_task(pool.take("other.1", "biology"))
        await asyncio.sleep(0.05)
        pool.give_back("one.1", first, healthy=True)
        second = await asyncio.wait_for(waiting, 15)
        assert second.pid != first.pid, "nobody gets another source's process"
        pool.give_back("other.1", second, healthy=True)
        await pool.close()

    asyncio.run(scene())


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (ValueError("x"), "invalid"), (KeyError("x"), "invalid"), (TypeError("x"), "invalid"),
        (ConnectionResetError(), "unavailable"), (ssl.SSLCertVerificationError("x"), "unavailable"),
    ],
)  # fmt: skip
def test_only_a_source_that_does_not_answer_counts_against_it(problem: Exception, kind: str) -> None:
    assert _as_fault(problem).kind == kind

"""The gate's own relay on a free port of this process, in front of a running service: what a notebook sees."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

from hubernate_gate.forward import Upstream
from hubernate_gate.relay import Relay


@contextmanager
def relay(service_url: str, token: str) -> Iterator[str]:
    """The relay's URL. `service_url` has the service's prefix."""
    loop, ready, addresses = asyncio.new_event_loop(), threading.Event(), []
    stop = asyncio.Event()

    async def serve() -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            handler = Relay(Upstream(client, service_url, "platform service", 3), token).handle
            runner = web.ServerRunner(web.Server(handler))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            addresses.append(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]
            ready.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"http://127.0.0.1:{addresses[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()

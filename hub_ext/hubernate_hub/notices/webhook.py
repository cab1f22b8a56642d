"""One signed call of a webhook. The address is judged after its name was resolved, and that very one is called, so that
neither a second answer of the DNS nor a redirect leads elsewhere (B18).
"""

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache

import httpx

from hubernate_core.errors import InvalidInput, Unavailable
from hubernate_core.source_network import Opening, is_opened, why_closed


@dataclass(frozen=True)
class Call:
    """What is told, where, and signed with what. `id`: the same at each try."""

    url: str
    id: str
    content: dict[str, str]
    secret: str


@dataclass(frozen=True)
class Rules:
    """What may be called, and how. `ca_file`: PEM bundle that is trusted beside what this machine trusts, or empty."""

    openings: tuple[Opening, ...] = ()
    ca_file: str = ""
    timeout_s: float = 10


def signature(secret: str, moment: int, body: bytes) -> str:
    """``t=UNIX,v1=HEX``: HMAC-SHA256 of ``UNIX.BODY``. Whoever is called makes it anew and compares."""
    made = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={made}"


async def send(call: Call, rules: Rules, moment: int, threads: Executor) -> None:
    """Call it; any answer in the two hundreds will do.

    Args:
        moment: now, in seconds of Unix time.
        threads: where the name is looked up. A name server that hangs keeps one for longer than the deadline.

    Raises:
        InvalidInput: it must not be called.  Unavailable: it did not take it.
    """
    url = httpx.URL(call.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    body = json.dumps(call.content).encode()
    headers = {
        "Host": url.netloc.decode(),
        "Content-Type": "application/json",
        "User-Agent": "hubernate",
        "Hubernate-Delivery": call.id,
        "Hubernate-Signature": signature(call.secret, moment, body),
    }
    loop, timeout_s = asyncio.get_running_loop(), rules.timeout_s
    trust = await loop.run_in_executor(threads, _trust, rules.ca_file)
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.run_in_executor(threads, _look_up, url.host, port)
            address = _judged(url.host, port, found, rules.openings, encrypted=url.scheme == "https")
            # trust_env off: a proxy would resolve the name once more, and go where it leads.
            async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=timeout_s) as client:
                request = client.build_request(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": url.host},
                )
                answer = await client.send(request, stream=True)  # its body is nothing to us
                await answer.aclose()
    except TimeoutError as problem:
        raise Unavailable(f"the webhook did not answer within {timeout_s:g} s") from problem
    except (httpx.HTTPError, OSError, ssl.SSLError) as problem:
        raise Unavailable(f"the webhook could not be called ({type(problem).__name__})") from problem
    if not answer.is_success:
        raise Unavailable(f"the webhook answered {answer.status_code}; redirects are not followed")


@lru_cache(maxsize=4)
def _trust(ca_file: str) -> ssl.SSLContext:
    """Reading what is trusted takes a while, and needs to be done once."""
    trust = ssl.create_default_context()
    if ca_file:
        trust.load_verify_locations(ca_file)
    return trust


def _look_up(host: str, port: int) -> list[str]:
    return [str(address) for *_, (address, *_) in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _judged(host: str, port: int, found: list[str], openings: tuple[Opening, ...], *, encrypted: bool) -> str:
    """The first address that may be called."""
    why = "its name has no address"
    for address in found:
        why = why_closed(address, port, openings)
        if not why and not encrypted and not is_opened(address, port, openings):
            why = "not encrypted; write https"
        if not why:
            return address
    raise InvalidInput("notify.webhook", f"{host} must not be called: {why}")

"""The one door to the network: an audit hook, asked by CPython before every connect and unremovable in this process.

It sees numeric addresses only, after the name was resolved and at the moment of connecting, so that a second answer of
the DNS, another spelling of an address or a redirect cannot lead where the policy does not (B18). Source: PEP 578;
event ``socket.connect``, CPython Modules/socketmodule.c.
"""

import socket
import sys
from typing import Any

from hubernate_core.source_network import Opening, is_opened, why_closed

from .faults import Fault

_FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty")


class Guard:
    """Judges addresses. `refused` is the newest refusal, which clients like to hide behind errors of their own."""

    def __init__(self) -> None:
        self.openings: tuple[Opening, ...] = ()
        self.refused: Fault | None = None

    def install(self) -> None:
        """From now on, for this process's life."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            end, address = arguments
            if end.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
                raise self._refuse("a socket that is no network address")
            self.check(str(address[0]), int(address[1]))
        elif event in _FORBIDDEN:
            raise Fault("invalid", "this process starts no other")

    def check(self, address: str, port: int) -> None:
        """Refuse an address.

        Raises:
            Fault: nothing may connect there.
        """
        reason = why_closed(address, port, self.openings)
        if reason:
            raise self._refuse(reason)

    def resolve(self, host: str, port: int, *, encrypted: bool = True) -> str:
        """The first address of `host`, all of them checked: for clients that connect below Python.

        Raises:
            Fault: unknown, closed, or not encrypted where only that is allowed.
        """
        try:
            found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as problem:
            raise Fault("unavailable", f"the name {host!r} has no address ({problem.strerror})") from problem
        for address in found:
            self.check(address, port)
            if not encrypted and not is_opened(address, port, self.openings):
                raise self._refuse("outside of the opened networks, where connections must be encrypted")
        return found[0]

    def _refuse(self, reason: str) -> Fault:
        self.refused = Fault("refused", f"the source's address is {reason}; nothing was sent there")
        return self.refused


GUARD = Guard()

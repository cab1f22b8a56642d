"""A double of a metastore of version 4.1, made here: it knows only the calls by request. It is no Hive."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport

from support.hadoop import write_value


@contextmanager
def metastore_4(answers: dict[str, Any]) -> Iterator[tuple[int, list[str]]]:
    """Its port on the loopback, and what was called. `answers`: method → what it gives; others are not known."""
    listener, called = socket.create_server(("127.0.0.1", 0)), list[str]()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            transport = TSocket()
            transport.setHandle(client)
            protocol = TBinaryProtocol(TBufferedTransport(transport))
            threading.Thread(target=_talk, args=(protocol, answers, called), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1]), called
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _talk(protocol: TBinaryProtocol, answers: dict[str, Any], called: list[str]) -> None:
    while True:
        try:
            name, _, number = protocol.readMessageBegin()
        except Exception:  # noqa: BLE001  the client hung up
            return
        protocol.skip(TType.STRUCT)
        called.append(name)
        if name in answers:
            protocol.writeMessageBegin(name, TMessageType.REPLY, number)
            write_value(protocol, {0: answers[name]})
        else:
            protocol.writeMessageBegin(name, TMessageType.EXCEPTION, number)
            TApplicationException(TApplicationException.UNKNOWN_METHOD, f"Invalid method name: '{name}'").write(
                protocol
            )
        protocol.writeMessageEnd()
        protocol.trans.flush()

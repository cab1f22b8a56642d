"""A thin client of the Hive metastore, 2.3 to 4, that only asks.

Thrift's binary protocol says of every field its number and type, so answers are read without generated classes: a
struct is a dictionary by field number, and what newer versions add is passed over. Numbers: hive_metastore.thrift.
"""

import socket
import ssl
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TApplicationException, TException, TMessageType, TType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport

from hubernate_core.source_hadoop import HivePlace

from .faults import Fault
from .guard import GUARD

_TEXT_MAX, _ITEMS_MAX = 16 * 1024**2, 2_000_000
_TIMEOUT_S = 25
_NAMES_AT_ONCE = 500

Struct = dict[int, Any]
Sent = tuple[int, int, Any]


class Metastore:
    """One connection. Every method raises Fault."""

    def __init__(self, place: HivePlace, ca_file: str) -> None:
        GUARD.resolve(place.host, place.port, encrypted=place.tls != "off")
        try:
            end = socket.create_connection((place.host, place.port), timeout=5)
            if place.tls != "off":
                end = ssl.create_default_context(cafile=ca_file or None).wrap_socket(end, server_hostname=place.host)
            end.settimeout(_TIMEOUT_S)
        except OSError as problem:
            raise Fault("unavailable", f"the metastore does not answer ({type(problem).__name__})") from problem
        self._transport = TSocket()
        self._transport.setHandle(end)
        self._protocol = TBinaryProtocol(
            TBufferedTransport(self._transport, 65536), string_length_limit=_TEXT_MAX, container_length_limit=_ITEMS_MAX
        )
        if place.user:
            self._call("set_ugi", _text(1, place.user), _texts(2, []))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def databases(self) -> list[str]:
        """All of them."""
        return list(self._call("get_all_databases"))

    def tables(self, database: str) -> list[str]:
        """Names of a database's tables and views."""
        return sorted(self._call("get_tables", _text(1, database), _text(2, "*")))

    def table(self, database: str, name: str) -> Struct:
        """``Table``. Not in 4.1, which knows only the newer call."""
        both = (_text(1, database), _text(2, name))
        try:
            found: Struct = self._call("get_table", *both)
        except _Unknown:
            found = self._call("get_table_req", (1, TType.STRUCT, both))[1]
        return found

    def partition_names(self, database: str, table: str) -> list[str]:
        """``dt=2026-01-01/country=DE``, all of them."""
        try:
            return list(self._call("get_partition_names", _text(1, database), _text(2, table), (3, TType.I16, -1)))
        except _Unknown:
            asked = (_text(2, database), _text(3, table), (4, TType.I16, -1))
            return list(self._call("fetch_partition_names_req", (1, TType.STRUCT, asked)))

    def partitions(self, database: str, table: str, names: list[str]) -> list[Struct]:
        """``Partition`` of these names, in no order."""
        found: list[Struct] = []
        for at in range(0, len(names), _NAMES_AT_ONCE):
            asked = (_text(1, database), _text(2, table), _texts(3, names[at : at + _NAMES_AT_ONCE]))
            try:
                found += self._call("get_partitions_by_names", *asked)
            except _Unknown:
                found += self._call("get_partitions_by_names_req", (1, TType.STRUCT, asked))[1]
        return found

    def _call(self, method: str, *fields: Sent) -> Any:
        out = self._protocol
        try:
            out.writeMessageBegin(method, TMessageType.CALL, 1)
            _write_struct(out, fields)
            out.writeMessageEnd()
            out.trans.flush()
            _, kind, _ = out.readMessageBegin()
            if kind == TMessageType.EXCEPTION:
                problem = TApplicationException()
                problem.read(out)
                out.readMessageEnd()
                raise (
                    _Unknown("invalid", method)
                    if problem.type == problem.UNKNOWN_METHOD
                    else Fault("unavailable", f"the metastore failed at {method}")
                )
            answer = _read(out, TType.STRUCT)
            out.readMessageEnd()
        except (TException, OSError, EOFError) as problem:
            raise Fault("unavailable", f"the metastore broke off ({type(problem).__name__})") from problem
        if 0 in answer:
            return answer[0]
        if not answer:
            raise Fault("unavailable", f"the metastore answered nothing to {method}")
        raise _declared(answer)


class _Unknown(Fault):
    """A method that this version does not have."""


def _declared(answer: Struct) -> Fault:
    """An exception that the interface declares: all of them have a message as their first field."""
    told = next(iter(answer.values()))
    text = str(told.get(1, "")) if isinstance(told, dict) else ""
    if "ermission denied" in text or "AccessControlException" in text or "not authorized" in text:
        return Fault("refused", "the metastore refused this: the source's user may not")
    if "not found" in text or "NoSuchObject" in text or "does not exist" in text:
        return Fault("not_found", "the metastore has no such table")
    return Fault("unavailable", f"the metastore failed: {text.partition(chr(10))[0]}")


def _text(number: int, value: str) -> Sent:
    return number, TType.STRING, value


def _texts(number: int, values: list[str]) -> Sent:
    return number, TType.LIST, values


def _write_struct(out: TBinaryProtocol, fields: tuple[Sent, ...]) -> None:
    for number, kind, value in fields:
        out.writeFieldBegin("", kind, number)
        if kind == TType.STRING:
            out.writeString(value)
        elif kind == TType.I16:
            out.writeI16(value)
        elif kind == TType.STRUCT:
            _write_struct(out, value)
        else:
            out.writeListBegin(TType.STRING, len(value))
            for each in value:
                out.writeString(each)
        out.writeFieldEnd()
    out.writeFieldStop()


def _read(source: TBinaryProtocol, kind: int) -> Any:
    """A value of any kind that the protocol can hold."""
    if kind == TType.STRUCT:
        found: Struct = {}
        source.readStructBegin()
        while (field := source.readFieldBegin())[1] != TType.STOP:
            found[field[2]] = _read(source, field[1])
            source.readFieldEnd()
        source.readStructEnd()
        return found
    if kind in (TType.LIST, TType.SET):
        inner, size = source.readListBegin()
        return [_read(source, inner) for _ in range(size)]
    if kind == TType.MAP:
        keys, values, size = source.readMapBegin()
        return {_read(source, keys): _read(source, values) for _ in range(size)}
    if kind == TType.STRING:
        return source.readBinary().decode("utf-8", "replace")
    simple = {
        TType.BOOL: source.readBool,
        TType.BYTE: source.readByte,
        TType.I16: source.readI16,
        TType.I32: source.readI32,
        TType.I64: source.readI64,
        TType.DOUBLE: source.readDouble,
    }
    if kind not in simple:
        raise Fault("unavailable", "what answers at the source's port does not speak the metastore's protocol")
    return simple[kind]()

"""Calls to containerd's socket: one typed request, one answer, errors of ours."""

from pathlib import Path
from typing import Any, TypeVar

import grpc

from hubernate_core.errors import Broken, NotFound, Unavailable, shorten

_NAMESPACE = "k8s.io"
"""Where the CRI plugin keeps what belongs to pods. Source: containerd, internal/cri/constants."""
_MESSAGE_MAX = 64 * 1024 * 1024
_Answer = TypeVar("_Answer")


class GrpcClient:
    """The services on one containerd socket. Thread-safe.

    Args:
        socket: path of the socket, as this process sees it.
        timeout_s: longest time for an answer.
    """

    def __init__(self, socket: str, timeout_s: float = 60) -> None:
        # Without an authority of its own the socket's path would become one, which Go's HTTP/2 refuses.
        options = [("grpc.default_authority", "localhost"), ("grpc.max_receive_message_length", _MESSAGE_MAX)]
        self._channel = grpc.insecure_channel(f"unix://{Path(socket).absolute()}", options=options)
        self._socket = socket
        self._timeout_s = timeout_s

    def ask(self, method: str, request: Any, answer: type[_Answer], timeout_s: float | None = None) -> _Answer:
        """Call `method` (``/package.Service/Name``).

        Raises:
            NotFound: containerd has no such thing.
            Broken: this containerd has no such service.
            Unavailable: it does not answer, or refuses.
        """
        call = self._channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,  # type: ignore[attr-defined]
        )
        try:
            return call(  # type: ignore[no-any-return]
                request, timeout=timeout_s or self._timeout_s, metadata=(("containerd-namespace", _NAMESPACE),)
            )
        except grpc.RpcError as problem:
            said = shorten(str(problem.details()), 200)
            what = method.rpartition("/")[2]
            if problem.code() is grpc.StatusCode.NOT_FOUND:
                raise NotFound(f"{what}: containerd says: {said}") from problem
            if problem.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise Broken(f"containerd at {self._socket} has no {method}; its CRI plugin must be on") from problem
            raise Unavailable(f"{what}: containerd says: {said}") from problem

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

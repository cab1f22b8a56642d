"""Reading along the frame headers of a WebSocket (RFC 6455 §5.2), client to server. Pure; changes nothing."""

from collections.abc import Callable

PEEK = 512
_DATA = frozenset({1, 2})


class Frames:
    """Calls `on_message` with the unmasked beginning (at most `PEEK` bytes) of every data message fed through."""

    def __init__(self, on_message: Callable[[bytes], None]) -> None:
        self._on_message = on_message
        self._head = bytearray()
        self._payload_left = 0
        self._peek: bytearray | None = None
        self._peek_left = 0
        self._mask = b""

    def feed(self, data: bytes) -> None:
        """The next bytes of the stream, cut anywhere."""
        at = 0
        while at < len(data):
            if self._payload_left:
                at += self._payload(data, at)
            else:
                self._head.append(data[at])
                at += 1
                self._header()

    def _payload(self, data: bytes, at: int) -> int:
        taken = min(self._payload_left, len(data) - at)
        self._payload_left -= taken
        if self._peek is not None:
            self._peek += data[at : at + min(taken, self._peek_left - len(self._peek))]
            if len(self._peek) == self._peek_left:
                self._report()
        return taken

    def _header(self) -> None:
        head = self._head
        if len(head) < 2:
            return
        short = head[1] & 0x7F
        extra = {126: 2, 127: 8}.get(short, 0)
        masked = bool(head[1] & 0x80)
        if len(head) < 2 + extra + 4 * masked:
            return
        self._payload_left = int.from_bytes(head[2 : 2 + extra], "big") if extra else short
        self._mask = bytes(head[2 + extra :])
        if head[0] & 0x0F in _DATA:
            self._peek = bytearray()
            self._peek_left = min(self._payload_left, PEEK)
            if not self._peek_left:
                self._report()
        head.clear()

    def _report(self) -> None:
        peek, self._peek = bytes(self._peek or b""), None
        if self._mask:
            mask = self._mask * (len(peek) // 4 + 1)
            peek = bytes(a ^ b for a, b in zip(peek, mask, strict=False))
        self._on_message(peek)

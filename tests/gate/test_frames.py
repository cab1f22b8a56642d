"""Reading along WebSocket frames, however the network cuts them."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from hubernate_gate.frames import PEEK, Frames

TEXT, BINARY, CONTINUATION, PING = 1, 2, 0, 9


def frame(opcode: int, payload: bytes, mask: bytes, final: bool = True) -> bytes:
    """A client's frame by RFC 6455 §5.2."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([opcode | (0x80 if final else 0)]) + length + mask + masked


@settings(deadline=None)  # a slow machine is no failure
@given(
    st.lists(
        st.tuples(
            st.sampled_from([TEXT, BINARY, CONTINUATION, PING]),
            st.one_of(st.binary(max_size=140), st.sampled_from([PEEK - 1, PEEK, PEEK + 1, 66_000]).map(bytes)),
            st.binary(min_size=4, max_size=4),
            st.booleans(),
        ),
        max_size=6,
    ),
    st.lists(st.integers(1, 700), min_size=1, max_size=20),
)
def test_the_beginning_of_every_data_message_is_seen(
    frames: list[tuple[int, bytes, bytes, bool]], cuts: list[int]
) -> None:
    seen: list[bytes] = []
    reader = Frames(seen.append)
    stream = b"".join(frame(*each) for each in frames)
    turn = at = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert seen == [payload[:PEEK] for opcode, payload, _, _ in frames if opcode in (TEXT, BINARY)]

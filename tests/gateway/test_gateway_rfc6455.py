"""The WebSocket codec without a network: any split of the bytes gives the same messages."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.gateway.rfc6455 import MessageReader, Opcode, ProtocolError, accept_key, close_frame, frame, read_close, unmasked

MASK = b"\x0f\xf0\x55\xaa"


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame, made from a server's."""
    plain = bytearray(frame(opcode, payload))
    if not fin:
        plain[0] &= 0x7F
    head = len(plain) - len(payload)
    plain[1] |= 0x80
    return bytes(plain[:head]) + MASK + unmasked(MASK, payload)


def test_the_handshake_key_of_the_rfc() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 65535, 65536, 1_000_000])
def test_unmasking_is_its_own_inverse(size: int) -> None:
    data = os.urandom(size)
    assert unmasked(MASK, unmasked(MASK, data)) == data
    assert unmasked(MASK, data)[:8] == bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data[:8]))


MESSAGES = st.lists(
    st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.lists(st.binary(max_size=300), min_size=1, max_size=4)), max_size=8
)


@given(MESSAGES, st.lists(st.integers(1, 40), min_size=1, max_size=20), st.booleans())
def test_any_split_gives_the_same_messages(messages: list[tuple[Opcode, list[bytes]]], steps: list[int], pings: bool) -> None:
    stream, expected = b"", []
    for opcode, parts in messages:
        for index, part in enumerate(parts):
            stream += masked(opcode if index == 0 else 0, part, fin=index == len(parts) - 1)
            if pings:
                stream += masked(Opcode.PING, b"p")
                expected.append((9, b"p"))
        whole = (int(opcode), b"".join(parts))
        # The ping behind the last fragment comes after the message.
        expected.insert(len(expected) - 1 if pings else len(expected), whole)
    reader, found, at = MessageReader(), [], 0
    while at < len(stream):
        step = steps[at % len(steps)]
        found += [(int(opcode), bytes(payload)) for opcode, payload in reader.receive(stream[at : at + step])]
        at += step
    assert found == expected


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_or_waits(data: bytes) -> None:
    try:
        for opcode, payload in MessageReader(limit=100).receive(data):
            assert opcode in (1, 2, 8, 9, 10) and len(payload) <= 125
    except ProtocolError as error:
        assert error.code in (1002, 1009) and len(close_frame(error.code, error.text)) <= 127


def test_the_limit_counts_all_fragments() -> None:
    reader = MessageReader(limit=10)
    assert list(reader.receive(masked(1, b"x" * 6, fin=False))) == []
    with pytest.raises(ProtocolError, match="Message is too large: 11 > 10"):
        list(reader.receive(masked(0, b"x" * 5)))


def test_close_payloads() -> None:
    assert read_close(b"") == (None, "")
    assert read_close(struct.pack("!H", 4000) + "grüß".encode()) == (4000, "grüß")
    for bad in (b"\x03", struct.pack("!H", 1005), struct.pack("!H", 999), struct.pack("!H", 5000)):
        with pytest.raises(ProtocolError):
            read_close(bad)
    assert close_frame(None, "ignored") == b"\x88\x00"
    long = close_frame(1000, "ä" * 100)
    assert len(long) == 2 + 2 + 122 and long[4:].decode() == "ä" * 61

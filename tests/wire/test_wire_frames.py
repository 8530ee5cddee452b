"""The frame codec: the shared vectors, any split of the bytes, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import WireError
from emulator.wire import frames
from emulator.wire.frames import FrameDecoder, Kind

VECTORS = Path(__file__).parent.parent / "vectors" / "wire"


def vectors(name: str) -> list[Any]:
    return json.loads((VECTORS / name).read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", vectors("frames.json"), ids=lambda case: case["name"])
def test_frame_vectors(case: dict[str, Any]) -> None:
    data, payload = bytes.fromhex(case["bytes"]), bytes.fromhex(case["payload"])
    kind = Kind[case["kind"]]
    assert frames.encode(kind, case["id"], case["now_ms"], payload, case["flags"]) == data
    (frame,) = FrameDecoder().receive(data)
    assert (frame.kind, frame.flags, frame.id, frame.now_ms, frame.payload) == (kind, case["flags"], case["id"], case["now_ms"], payload)


@pytest.mark.parametrize("case", vectors("heads.json"), ids=lambda case: case["name"])
def test_head_vectors(case: dict[str, Any]) -> None:
    payload = bytes.fromhex(case["payload"])
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case["headers"]]
    body = None if case["body"] is None else bytes.fromhex(case["body"])
    flags = 0 if body is None else frames.WHOLE
    if "target" in case:
        target, method, url = (case[field].encode("latin-1") for field in ("target", "method", "url"))
        assert frames.write_request(target, method, url, headers, body) == payload
        request = frames.read_request(frames.Frame(Kind.REQUEST, flags, 1, 0, payload))
        assert (request.target, request.method, request.url) == (case["target"], case["method"], case["url"])
        assert (request.headers, request.body) == (headers, body)
    else:
        assert frames.write_response(case["status"], case["reason"].encode("latin-1"), headers, body) == payload
        response = frames.read_response(frames.Frame(Kind.RESPONSE, flags, 1, 0, payload))
        assert (response.status, response.reason, response.headers, response.body) == (case["status"], case["reason"], headers, body)


@pytest.mark.parametrize("case", vectors("closes.json"), ids=lambda case: case["name"])
def test_close_vectors(case: dict[str, Any]) -> None:
    payload = bytes.fromhex(case["payload"])
    assert frames.write_close(case["code"], case["reason"]) == payload
    assert frames.read_close(payload) == (case["code"], case["reason"])


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([*Kind]),
        st.integers(0, 255),
        st.integers(0, 2**32 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.binary(max_size=400),
    ),
    max_size=12,
)


@given(FRAMES, st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_any_split_gives_the_same_frames(written: list[tuple[Kind, int, int, int, bytes]], steps: list[int]) -> None:
    stream = b"".join(frames.encode(kind, ident, now, payload, flags) for kind, flags, ident, now, payload in written)
    decoder, found, at, turn = FrameDecoder(), [], 0, 0
    while at < len(stream):
        step = steps[turn % len(steps)]
        found += [(f.kind, f.flags, f.id, f.now_ms, f.payload) for f in decoder.receive(stream[at : at + step])]
        at, turn = at + step, turn + 1
    assert found == [(int(kind), flags, ident, now, payload) for kind, flags, ident, now, payload in written]
    assert decoder.pending == 0


@given(FRAMES)
def test_byte_by_byte(written: list[tuple[Kind, int, int, int, bytes]]) -> None:
    decoder = FrameDecoder()
    stream = b"".join(frames.encode(kind, ident, now, payload, flags) for kind, flags, ident, now, payload in written)
    found = [frame for byte in stream for frame in decoder.receive(bytes([byte]))]
    assert [frame.payload for frame in found] == [payload for *_, payload in written]


TEXT = st.binary(max_size=40).filter(lambda data: b"\n" not in data)


@given(TEXT, TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=8), st.none() | st.binary(max_size=80))
def test_any_head_comes_back_byte_for_byte(
    target: bytes, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]], body: bytes | None
) -> None:
    payload = frames.write_request(target, method, url, headers, body)
    head = frames.read_request(frames.Frame(Kind.REQUEST, 0 if body is None else frames.WHOLE, 1, 0, payload))
    assert (head.target, head.method, head.url) == tuple(part.decode("latin-1") for part in (target, method, url))
    assert (head.headers, head.body) == (headers, body)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(WireError, match="unknown kind 99"):
        list(FrameDecoder().receive(frames.HEAD.pack(0, 99, 0, 0, 0)))


def test_a_frame_over_the_limit_is_refused_by_its_head() -> None:
    with pytest.raises(WireError, match="the limit is"):
        list(FrameDecoder().receive(frames.HEAD.pack(frames.MAX_PAYLOAD + 1, Kind.TEXT, 0, 1, 0)))


@pytest.mark.parametrize("payload", [b"", b"a\nb", b"worker\nGET\n/\nhalf"])
def test_half_a_head_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        frames.read_request(frames.Frame(Kind.REQUEST, 0, 1, 0, payload))


def test_a_whole_head_cut_short_is_refused() -> None:
    with pytest.raises(WireError):
        frames.read_request(frames.Frame(Kind.REQUEST, frames.WHOLE, 1, 0, b"\x01\x00"))


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff"])
def test_a_payload_that_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError, match="should be JSON"):
        frames.read_json(payload)

"""Whatever a server says, in whatever pieces, a recording gives back: bytes, splits and times."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.config import AiMode
from emulator.gateway.ai.cassettes.decoding import events_of, whole_pieces
from emulator.gateway.ai.cassettes.encoding import encode_event
from emulator.gateway.ai.recorder.byte_edits import Edit, apply_edits, edited_windows, move_splits

from .recording_tape import Tape, asked

FRAGMENTS = st.one_of(
    st.sampled_from(
        [b"data: ", b"data:", b"event: x\n", b"id: 7\n", b": ping", b"\n", b"\n\n", b"\r\n", b"\r\r", b"[DONE]", b"\xff", b"{", b"}"]
    ),
    st.sampled_from(['{"response":"a"}', '{"response": "a"}', "data: {}\n\n", "event: m\ndata: {}\n\n", "é🌧", "null", "\u2028"]).map(
        str.encode
    ),
    st.binary(max_size=6),
)
BODIES = st.lists(FRAGMENTS, max_size=20).map(b"".join)
TYPES = [
    "text/event-stream",
    "application/x-ndjson",
    "text/plain",
    "application/json",
    "application/octet-stream",
    "text/html; charset=utf-8",
    "",
]


@st.composite
def cut_bodies(draw):
    body = draw(BODIES)
    places = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=6)))
    edges = [0, *(place for place in places if place < len(body)), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges) if end > start]


@settings(max_examples=120, deadline=None)
@given(pieces=cut_bodies(), media_type=st.sampled_from(TYPES), whole=st.booleans())
def test_every_answer_comes_back_as_it_was(pieces, media_type, whole):
    async def run(folder: str) -> None:
        tape = Tape(Path(folder))
        tape.recorder.begin(AiMode.NEW)
        headers = [("content-type", media_type)] if media_type else []
        said = b"".join(pieces) if whole else pieces
        heard = await tape.hear(asked(), said, headers)
        assert b"".join(heard) == b"".join(pieces)
        tape.recorder.commit()
        assert tape.problems == []
        (recording,) = tape.recordings()
        answer = recording.answer()
        assert tape.bytes_of(recording) == b"".join(pieces)
        types = [value for name, value in answer.headers if name == "content-type"]
        assert types == ([media_type] if media_type else [])
        if answer.chunks is not None and not whole:
            assert [chunk.data for chunk in answer.chunks] == pieces
            assert [chunk.t_ms for chunk in answer.chunks] == [10 * number for number in range(1, len(pieces) + 1)]
        elif not whole and media_type not in ("application/json",):
            assert len(pieces) <= 1

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


@given(cut_bodies(), st.sampled_from(["sse", "ndjson", "bytes"]))
def test_events_are_the_bytes_they_were_read_from(pieces, framing):
    data = b"".join(pieces)
    events = events_of(framing, data, [(number, len(piece)) for number, piece in enumerate(pieces)])
    assert b"".join(encode_event(framing, event) for event in events) == data
    assert [event["t"] for event in events] == sorted(event["t"] for event in events)


@st.composite
def edited(draw):
    data = draw(st.binary(min_size=1, max_size=40))
    marks = sorted(draw(st.sets(st.integers(0, len(data)), max_size=8)))
    edits = [Edit(start, end, draw(st.binary(max_size=5))) for start, end in itertools.batched(marks[: len(marks) // 2 * 2], 2)]
    places = [0, *sorted(draw(st.sets(st.integers(1, len(data)), max_size=6)) | {len(data)})]
    return data, edits, [(number, end - start) for number, (start, end) in enumerate(itertools.pairwise(places))]


@given(edited(), st.integers(1, 45))
def test_edits_by_windows_and_splits_that_follow(case, window):
    data, edits, splits = case
    expected = bytearray(data)
    for edit in reversed(edits):
        expected[edit.start : edit.end] = edit.data
    assert apply_edits(data, edits) == bytes(expected)
    windows = [data[at : at + window] for at in range(0, len(data), window)]
    assert b"".join(edited_windows(windows, edits)) == bytes(expected)
    moved = move_splits(splits, edits)
    assert sum(size for _, size in moved) == len(expected)
    assert all(size > 0 for _, size in moved) and [t for t, _ in moved] == sorted(t for t, _ in moved)
    if not edits:
        assert moved == splits


@given(edited())
def test_chunks_outside_an_edit_keep_their_bytes(case):
    data, edits, splits = case
    changed, moved = apply_edits(data, edits), move_splits(splits, edits)
    pieces, at = {}, 0
    for t_ms, size in moved:
        pieces[t_ms] = changed[at : at + size]
        at += size
    at = 0
    for t_ms, size in splits:
        if not any(edit.start < at + size and at < edit.end for edit in edits) and not any(edit.end == at for edit in edits):
            assert pieces[t_ms] == data[at : at + size]
        at += size


@given(cut_bodies(), st.sampled_from(["sse", "ndjson"]))
def test_a_stream_in_windows_has_the_same_events(pieces, framing):
    data = b"".join(pieces)
    events = events_of(framing, data, [(0, len(data))] if data else [])
    assert b"".join(whole_pieces(framing, pieces)) == data
    if b"\r" not in data:  # a window may end between the two halves of a line end
        assert list(whole_pieces(framing, pieces)) == [encode_event(framing, event) for event in events]

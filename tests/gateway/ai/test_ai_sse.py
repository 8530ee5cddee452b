"""ai/sse.py: events as they arrive, byte for byte, however the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.gateway.ai.sse import SseEvent, SseParser


def parsed(*chunks: bytes) -> list[SseEvent]:
    parser = SseParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one(end: str) -> None:
    text = f"event: a{end}data: one{end}data:two{end}id: 7{end}{end}data: [DONE]{end}{end}"
    first, second = parsed(text.encode())
    assert (first.event, first.data, first.id) == ("a", "one\ntwo", "7")
    assert second.data == "[DONE]"
    assert (first.raw + second.raw).decode() == text


def test_comments_dispatch_nothing_and_keep_their_bytes() -> None:
    events = parsed(b": ping\n\ndata: x\n\n")
    assert [(event.data, event.raw) for event in events] == [(None, b": ping\n\n"), ("x", b"data: x\n\n")]


def test_only_one_space_belongs_to_the_field_and_an_empty_data_line_is_an_empty_text() -> None:
    assert [event.data for event in parsed(b"data:  x\n\ndata\n\ndata:\n\n")] == [" x", "", ""]


def test_a_byte_order_mark_opens_a_stream_and_no_event() -> None:
    assert [event.data for event in parsed(b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n")] == ["a", "\ufeffb"]


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    parser = SseParser()
    assert parser.feed(b"data: caf\xc3") == []
    assert parser.feed(b"\xa9\r\n\r") == [SseEvent(b"data: caf\xc3\xa9\r\n\r", "café")]
    # The rest of the CRLF belongs to what follows: nothing is lost, and no event is made of it.
    assert parser.feed(b"\ndata: b\r\n\r\n") == [SseEvent(b"\ndata: b\r\n\r\n", "b")]


def test_what_is_not_finished_is_the_rest() -> None:
    parser = SseParser()
    parser.feed(b"data: a\n\ndata: b\n")
    assert parser.rest == b"data: b\n"


@given(
    st.lists(st.sampled_from(["data: a", "data: é€😀", "event: x", ": c", "", "data"]), max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.data(),
)
def test_cuts_change_nothing(lines: list[str], end: str, data: st.DataObject) -> None:
    stream = "".join(line + end for line in lines).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert b"".join(event.raw for event in events) + parser.rest == stream
    whole = [event.data for event in parsed(stream) if event.data is not None]
    assert [event.data for event in events if event.data is not None] == whole

"""HTTP/1.1 as the far end of a library's connection hears and says it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.hosts.python.network.http1 import END, MOST_PIECE, End, Head, NotHttp, RequestParser, write_head

TWO_REQUESTS = (
    b"POST /a?b=%2F HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-One: 1\r\nX-One: 2\r\n\r\nhello"
    b"PUT http://y/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    b"3;note=1\r\none\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n"
    b"\r\nGET / HTTP/1.0\r\n\r\n"
)


def heard(said: list[Head | bytes | End]) -> list[object]:
    """Heads, whole bodies and ends."""
    found: list[object] = []
    for one in said:
        if isinstance(one, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += one
        else:
            found.append(one)
    return found


@given(cuts=st.lists(st.integers(1, len(TWO_REQUESTS) - 1)))
def test_requests_are_heard_however_they_are_cut(cuts):
    parser = RequestParser()
    edges = [0, *sorted(cuts), len(TWO_REQUESTS)]
    said = [one for a, b in itertools.pairwise(edges) for one in parser.feed(TWO_REQUESTS[a:b])]
    first, body, end, second, chunks, also_end, third, last = heard(said)
    assert (first.method, first.target, first.length, first.last, first.waits) == (b"POST", b"/a?b=%2F", 5, False, False)
    assert first.headers == [(b"Host", b"x"), (b"Content-Length", b"5"), (b"X-One", b"1"), (b"X-One", b"2")]
    assert (second.target, second.length, second.waits, second.headers) == (b"http://y/", None, True, [(b"Expect", b"100-continue")])
    assert (third.method, third.length, third.last) == (b"GET", 0, True)
    assert (body, chunks) == (b"hello", b"one0123456789abcdef")
    assert end is also_end is last is END


def test_a_large_body_comes_in_pieces():
    parser = RequestParser()
    size = 3 * MOST_PIECE + 1
    said = parser.feed(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    assert [len(one) for one in said if isinstance(one, bytes)] == [MOST_PIECE, MOST_PIECE, MOST_PIECE, 1]


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",  # TLS
        b"GET /\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * (1024 * 1024 + 1),
    ],
)
def test_what_is_not_http_is_said_so(text):
    with pytest.raises(NotHttp):
        RequestParser().feed(text)


def said(status: int = 200, headers: list[tuple[bytes, bytes]] | None = None, size: int | None = None, method: bytes = b"GET") -> bytes:
    head, framing = write_head(method, status, b"", headers or [], size)
    return head + (framing.piece(b"body") if framing.has_body else b"")


def test_a_body_of_known_size_has_its_length():
    assert said(size=4, headers=[(b"Content-Length", b"99")]) == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"


def test_a_body_that_streams_keeps_the_length_it_was_given():
    assert said(headers=[(b"Content-Length", b"4")]) == b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


def test_a_body_that_streams_goes_chunk_by_chunk():
    assert said(headers=[(b"connection", b"close")]) == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n"


@pytest.mark.parametrize(("status", "method"), [(204, b"GET"), (304, b"GET"), (200, b"HEAD")])
def test_an_answer_without_a_body_has_none(status, method):
    assert said(status, [(b"content-length", b"4")], method=method).endswith(b"content-length: 4\r\n\r\n")


def test_a_status_that_nobody_knows_has_no_words():
    assert said(599, size=0).startswith(b"HTTP/1.1 599 \r\n")

"""Headers, URL, FormData, Blob, Request and Response as user code and the host see them."""

from __future__ import annotations

import pytest

from emulator.hosts.python.surface.blob import Blob, File
from emulator.hosts.python.surface.buffers import Uint8Array
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.formdata import FormData, decode_form, encode_multipart
from emulator.hosts.python.surface.headers import Headers
from emulator.hosts.python.surface.readable import ReadableStream
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.url import URL, URLSearchParams, normalize_url
from emulator.hosts.python.surface.values import JsObject, constructor_of, jsnull


class Source:
    """Network bytes in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.reads = 0
        self.cancelled = False

    async def read(self) -> bytes | None:
        self.reads += 1
        return self.pieces.pop(0) if self.pieces else None

    async def cancel(self, reason) -> None:
        self.cancelled = True


async def drain(body) -> bytes | None:
    source = body.body_source()
    return source if source is None or isinstance(source, bytes) else b"".join([chunk async for chunk in source])


# -- headers


def test_headers_combine_and_sort():
    headers = Headers(JsArray([["B", "1"], ["a", " x "], ["b", "2"], ["Set-Cookie", "s=1"], ["set-cookie", "t=2"]]))
    assert list(headers.combined()) == [("a", "x"), ("b", "1, 2"), ("set-cookie", "s=1"), ("set-cookie", "t=2")]
    assert headers.getSetCookie().to_py() == ["s=1", "t=2"]
    assert headers.get("SET-COOKIE") == "s=1, t=2"
    assert headers.get("missing") is jsnull
    assert next(pair.to_py() for pair in headers) == ["a", "x"]


def test_received_headers_are_untouched_until_read():
    pairs = [("X-One", "1"), ("x-one", "2")]
    headers = Headers.received(pairs)
    assert headers.pairs() is pairs
    assert headers._table is None
    assert headers.get("x-ONE") == "1, 2"
    with pytest.raises(JsException, match="Can't modify immutable headers"):
        headers.set("a", "b")
    copy = headers.copy()
    copy.set("x-one", "3")
    assert headers.get("x-one") == "1, 2"


@pytest.mark.parametrize(("name", "value"), [("bad name", "x"), ("", "x"), ("a", "b\r\nc: d"), ("a", "\0")])
def test_invalid_headers(name, value):
    with pytest.raises(JsException, match="Invalid header"):
        Headers().set(name, value)


def test_header_inits():
    assert Headers(JsObject({"A": 1})).get("a") == "1"
    assert list(Headers({"A": "1"}.items()).combined()) == [("a", "1")]
    with pytest.raises(JsException, match="pairs"):
        Headers([["a"]])


# -- URL


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://test.com", "https://test.com/"),
        ("HTTP://EXAMPLE.com:80/a/../b/./c?x=ü#é", "http://example.com/b/c?x=%C3%BC#%C3%A9"),
        ("https://u:p@h.com:8443/", "https://u:p@h.com:8443/"),
        ("https://h.com/a b?c d", "https://h.com/a%20b?c%20d"),
        ("https://h.com/%zz", "https://h.com/%zz"),
        ("https:\\\\h.com\\a", "https://h.com/a"),
        ("  https://h.com\n/x ", "https://h.com/x"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::1]:3000/", "http://[::1]:3000/"),
        ("https://bücher.de/", "https://xn--bcher-kva.de/"),
        ("data:text/plain,hi", "data:text/plain,hi"),
        ("https://h.com?q", "https://h.com/?q"),
        ("https://h.com/a'b?a'b", "https://h.com/a'b?a%27b"),
        ('https://h.com/"<>`{}?"<>', "https://h.com/%22%3C%3E%60%7B%7D?%22%3C%3E"),
        ("https://h.com/..", "https://h.com/"),
        ("https://h.com/a/%2e%2E/b", "https://h.com/b"),
    ],
)
def test_url_normal_form(given, expected):
    assert normalize_url(given) == expected
    assert normalize_url(expected) == expected


@pytest.mark.parametrize("text", ["", "/path", "nothing", "https://", "http://h:99999/", "http://a b/", "http://1.2.3.4.5/", "http://[::1"])
def test_invalid_urls(text):
    with pytest.raises(JsException, match="TypeError"):
        URL(text)
    assert URL.canParse(text) is False


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("c", "https://h.com/a/c"),
        ("/c?d", "https://h.com/c?d"),
        ("?d", "https://h.com/a/b?d"),
        ("#f", "https://h.com/a/b?q#f"),
        ("//o.org/x", "https://o.org/x"),
        ("../c", "https://h.com/c"),
        ("", "https://h.com/a/b?q"),
        ("http://z.com/", "http://z.com/"),
    ],
)
def test_url_relative(reference, expected):
    assert URL(reference, "https://h.com/a/b?q").href == expected


def test_url_components():
    url = URL("https://u:p@h.com:8443/p?a=1&a=2#f")
    parts = (url.protocol, url.host, url.hostname, url.port, url.pathname, url.search, url.hash, url.origin, url.username, url.password)
    assert parts == ("https:", "h.com:8443", "h.com", "8443", "/p", "?a=1&a=2", "#f", "https://h.com:8443", "u", "p")
    url.searchParams.append("b c", "ü&")
    assert url.search == "?a=1&a=2&b+c=%C3%BC%26"
    url.search = "?z=1"
    assert url.searchParams.get("z") == "1"
    url.pathname, url.hash, url.port, url.protocol = "x y", "", 443, "http"
    assert url.href == "http://u:p@h.com/x%20y?z=1" or url.href == "http://u:p@h.com:443/x%20y?z=1"


def test_search_params():
    params = URLSearchParams("?a=1&b=%20+x&a=3&c")
    assert (params.get("a"), params.getAll("a").to_py(), params.get("b"), params.get("c"), params.size) == ("1", ["1", "3"], "  x", "", 4)
    params.set("a", "9")
    params.delete("b")
    assert params.toString() == "a=9&c="
    assert URLSearchParams(JsObject({"x": 1})).toString() == "x=1"
    assert URLSearchParams("a=~*-._!").toString() == "a=%7E*-._%21"


# -- forms


def test_multipart_round_trip():
    form = FormData()
    form.append("text", "line\nnext")
    form.append('na"me', File(b"\0\r\n--x", 'a"b.bin', "application/x-y"))
    form.append("blob", Blob(b"b"))
    back = decode_form(encode_multipart(form, "x1"), "multipart/form-data; boundary=x1")
    assert back.get("text") == "line\r\nnext"
    file = back.get('na"me')
    assert (file.name, file.type, file.data()) == ('a"b.bin', "application/x-y", b"\0\r\n--x")
    assert back.get("blob").name == "blob"


def test_form_from_curl_and_urlencoded():
    body = b'--B\r\nContent-Disposition: form-data; name="f"; filename="q\\"x.txt"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--B--\r\n'
    assert decode_form(body, 'multipart/form-data; boundary="B"').get("f").name == 'q"x.txt'
    assert decode_form(b"a=1&b=%C3%BC", "application/x-www-form-urlencoded").get("b") == "ü"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"x", "text/plain"), (b"x", "multipart/form-data"), (b"--B\r\n", "multipart/form-data; boundary=B"), (b"", "")],
)
def test_broken_forms(body, content_type):
    with pytest.raises(JsException, match="TypeError"):
        decode_form(body, content_type)


def test_formdata_set_keeps_place():
    form = FormData()
    for name, value in (("a", "1"), ("b", "2"), ("a", "3")):
        form.append(name, value)
    form.set("a", "9")
    assert [(pair[0], pair[1]) for pair in form] == [("a", "9"), ("b", "2")]
    with pytest.raises(JsException, match="Blob or File"):
        form.append("x", "text", "name.txt")


# -- requests


async def test_received_request_is_lazy_and_reads_once():
    source = Source(b"ab", b"c")
    request = JsRequest.received("POST", "https://h/", [("Content-Type", "text/plain")], source)
    assert source.reads == 0
    assert request.bodyUsed is False
    assert await request.text() == "abc"
    assert request.bodyUsed is True
    with pytest.raises(JsException, match="Body has already been used"):
        await request.text()
    known = JsRequest.received("POST", "https://h/", [], b'{"a":1}')
    assert (await known.json()).a == 1


async def test_clone_tees_a_stream():
    request = JsRequest.received("POST", "https://h/", [], Source(b"ab", b"c"))
    copy = request.clone()
    assert await copy.text() == "abc"
    assert request.bodyUsed is False
    assert await request.text() == "abc"


async def test_clone_of_known_bytes():
    request = JsRequest.received("POST", "https://h/", [], b"abc")
    copy = request.clone()
    assert (await copy.text(), await request.text()) == ("abc", "abc")


async def test_request_from_request_moves_the_body():
    request = JsRequest.received("POST", "https://h/x", [("a", "1")], Source(b"abc"))
    copy = constructor_of(JsRequest).new("https://other/", request)
    copy.headers.set("a", "2")
    assert (copy.url, copy.method, request.headers.get("a")) == ("https://other/", "POST", "1")
    assert request.bodyUsed is True
    assert await copy.text() == "abc"


async def test_request_constructor():
    new = constructor_of(JsRequest).new
    request = new("https://test.com", method="post", body="hé", headers=JsObject({"X": "1"}))
    assert (request.url, request.method, request.headers.get("content-type")) == ("https://test.com/", "POST", "text/plain;charset=UTF-8")
    assert await drain(request) == "hé".encode()
    with pytest.raises(JsException, match="GET or HEAD"):
        new("https://test.com", body="x")
    with pytest.raises(JsException, match="Invalid URL"):
        new("nowhere")
    assert new("https://h").body is jsnull


# -- responses


async def test_response_defaults():
    response = JsResponse("x")
    assert (response.status, response.statusText, response.ok, response.type) == (200, "OK", True, "default")
    assert JsResponse(jsnull).body is jsnull
    assert JsResponse(None, JsObject({"status": 204})).status == 204
    assert await drain(JsResponse()) is None
    assert await drain(JsResponse("")) == b""


@pytest.mark.parametrize("status", [101, 199, 600])
def test_status_range(status):
    with pytest.raises(JsException, match="RangeError"):
        JsResponse(None, JsObject({"status": status}))


def test_null_body_status():
    with pytest.raises(JsException, match="null body status"):
        JsResponse("x", JsObject({"status": 204}))


async def test_response_statics():
    constructor = constructor_of(JsResponse)
    answer = constructor.json(JsObject({"a": JsArray([1])}), status=201)
    assert (answer.status, answer.headers.get("content-type"), await answer.text()) == (201, "application/json", '{"a":[1]}')
    away = constructor.redirect("https://h.com/x", 307)
    assert (away.status, away.headers.get("location")) == (307, "https://h.com/x")
    with pytest.raises(JsException, match="RangeError"):
        constructor.redirect("https://h.com", 200)


async def test_response_around_the_body_of_another_stays_bytes():
    original = JsResponse.received(200, [("a", "1")], b"data")
    copy = JsResponse(original.body, original)
    copy.headers.set("b", "2")
    assert await drain(copy) == b"data"
    assert original.bodyUsed is True
    with pytest.raises(JsException, match="disturbed"):
        JsResponse(original.body)


async def test_response_of_a_stream():
    parts = iter([Uint8Array(b"a"), Uint8Array(b"b")])

    async def pull(controller):
        part = next(parts, None)
        if part is None:
            controller.close()
        else:
            controller.enqueue(part)

    response = JsResponse(constructor_of(ReadableStream).new(pull=pull))
    assert await drain(response) == b"ab"


async def test_closing_the_body_iterator_cancels_the_source():
    source = Source(b"1", b"2", b"3")
    body = JsResponse.received(200, [], source).body_source()
    assert await anext(body) == b"1"
    await body.aclose()
    assert source.cancelled is True
    assert source.reads == 1


async def test_text_chunks_are_no_body():
    response = JsResponse(ReadableStream.from_(["text"]))
    with pytest.raises(JsException, match="did not return bytes"):
        await drain(response)


async def test_blob_and_form_bodies():
    assert await drain(JsResponse(Blob(b"x", "text/css"))) == b"x"
    form = FormData([("a", "1")])
    response = JsResponse(form)
    assert response.headers.get("content-type").startswith("multipart/form-data; boundary=")
    assert (await response.formData()).get("a") == "1"
    assert await drain(JsResponse(URLSearchParams("a=b c"))) == b"a=b+c"
    assert await drain(JsResponse(JsObject())) == b"[object Object]"


async def test_bom_and_bad_utf8():
    assert await JsResponse.received(200, [], b"\xef\xbb\xbfx\xff").text() == "x\ufffd"

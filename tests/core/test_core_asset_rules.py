"""`_redirects` and `_headers`: what is taken, what is refused, and what a rule does. Whole answers are held against recordings in
tests/gateway/test_assets_parity.py."""

from __future__ import annotations

import pytest

from emulator.core.asset_rules import Rules, location, read_headers, read_redirects


def redirects(text: str, *, html: bool = True) -> Rules:
    return Rules(redirects=read_redirects(text, html=html)[0])


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("/a /b", "/a", (302, "/b")),
        ("/a /b 301 # why", "/a", (301, "/b")),
        ("a /b", "/a", (302, "/b")),
        ("/a?q=1#x /b", "/a", (302, "/b")),
        ("/a/* /b/:splat", "/a/x/y", (302, "/b/x/y")),
        ("/a/* /b//:splat", "/a/", (302, "/b/")),
        ("/u/:id/:page /v/:page/:id", "/u/7/edit", (302, "/v/edit/7")),
        ("/u/:id /v", "/u/7/edit", None),
        ("/a/* https://example.com/:splat", "/a/x", (302, "https://example.com/x")),
        ("/a/* /first\n/a/b /second", "/a/b", (302, "/first")),
        ("/a/b /second\n/a/* /first", "/a/b", (302, "/second")),
        ("/über /b", "/%C3%BCber", (302, "/b")),
        ("/a /b 200", "/a", (200, "/b")),
        ("/a/* /index.html", "/a/x", None),
        ("/a/ /index.html", "/a/", None),
    ],
)
def test_redirects(text: str, path: str, found: tuple[int, str] | None) -> None:
    assert redirects(text).redirect(path) == found


def test_a_rule_to_the_index_is_a_loop_only_where_paths_are_mapped_to_pages() -> None:
    assert redirects("/a/ /index.html", html=False).redirect("/a/") == (302, "/index.html")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/a", "2 or 3 words"),
        ("/a /b 302 more", "2 or 3 words"),
        ("/a /b 404", "status"),
        ("/a /b x", "status"),
        ("/a b", "begins with /"),
        ("https://example.com/a /b", "begins at a path"),
        ("/a https://example.com 200", "rewrite"),
        ("/a/* /index", "for ever"),
        ("/a /b\n/a /c", "above"),
        ("/*/x/* /b", "twice"),
        ("/:a/:a /b", "twice"),
        ("/a /" + "b" * 2000, "longer"),
    ],
)
def test_lines_of_redirects_that_have_no_effect(text: str, words: str) -> None:
    complaints = read_redirects(text, html=True)[1]
    assert len(complaints) == 1
    assert words in complaints[0].what
    assert complaints[0].line == text.count("\n") + 1


def test_redirects_are_not_without_number() -> None:
    rules, complaints = read_redirects("\n".join(f"/a{number} /b" for number in range(2001)), html=True)
    assert len(rules) == 2000
    assert [one.line for one in complaints] == [2001]
    rules, complaints = read_redirects("\n".join(f"/a{number}/* /b" for number in range(101)), html=True)
    assert (len(rules), len(complaints)) == (100, 1)


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/b", "/b?q=1"),
        ("/b?x=2", "/b?x=2"),
        ("/b#top", "/b?q=1#top"),
        ("https://example.com/b", "https://example.com/b?q=1"),
        ("http://here:8787/b", "/b?q=1"),
    ],
)
def test_where_a_redirect_leads(target: str, place: str) -> None:
    assert location(target, "http://here:8787", "/a", "q=1") == place


def headers(text: str, path: str, host: str = "localhost:8787") -> list[tuple[str, str]]:
    return Rules(headers=read_headers(text)[0]).decorate(host, path, [("etag", '"1"'), ("x-old", "1")])


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("/a\n  X-B: 1", "/a", {"etag": '"1"', "x-old": "1", "x-b": "1"}),
        ("/a\n  X-B: 1", "/b", {"etag": '"1"', "x-old": "1"}),
        ("/a\n  X-B: 1\n  x-b: 2", "/a", {"etag": '"1"', "x-old": "1", "x-b": "1, 2"}),
        ("/a\n  x-old: 2\n  ! ETag", "/a", {"x-old": "2"}),
        ("/a/*\n  x-b: :splat", "/a/b/c", {"etag": '"1"', "x-old": "1", "x-b": "b/c"}),
        ("/:a/c\n  x-b: http://:a", "/z/c", {"etag": '"1"', "x-old": "1", "x-b": "http://z"}),
        ("https://:sub.example.com/*\n  x-b: :sub", "/a", {"etag": '"1"', "x-old": "1", "x-b": "me"}),
    ],
)
def test_headers(text: str, path: str, found: dict[str, str]) -> None:
    assert dict(headers(text, path, "me.example.com:80")) == found


def test_a_second_rule_adds_to_what_the_first_has_set() -> None:
    assert headers("/*\n  x-old: 2\n/a\n  x-old: 3", "/a") == [("etag", '"1"'), ("x-old", "2"), ("x-old", "3")]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x-a: 1", 1, "a path"),
        ("/a", 1, "no headers"),
        ("/a\n  x-a\n  b: 1", 2, "name: value"),
        ("/a\n  x-a:\n  b: 1", 2, "a value"),
        ("/a\n  x a: 1\n  b: 1", 2, "without spaces"),
        ("/*/*\n  a: 1", 1, "only one *"),
        ("/*/:splat\n  a: 1", 1, "already"),
        ("http://example.com/\n  a: 1", 1, "https://"),
        ("https://example.com:80/\n  a: 1", 1, "port"),
        ("/:a/:a\n  a: 1", 1, "twice"),
    ],
)
def test_lines_of_headers_that_have_no_effect(text: str, line: int, words: str) -> None:
    complaints = read_headers(text)[1]
    assert [(one.line, words in one.what) for one in complaints] == [(line, True)]

"""`.assetsignore` reads as `.gitignore` does."""

from __future__ import annotations

import pytest

from emulator.core.ignore_patterns import IgnorePatterns


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        ("a.txt", "a.txt", True),
        ("a.txt", "deep/er/a.txt", True),
        ("a.txt", "xa.txt", False),
        ("/a.txt", "a.txt", True),
        ("/a.txt", "deep/a.txt", False),
        ("deep/a.txt", "deep/a.txt", True),
        ("deep/a.txt", "very/deep/a.txt", False),
        ("deep", "deep/er/a.txt", True),
        ("deep/", "deep/a.txt", True),
        ("deep/", "deep", False),
        ("*.map", "x/y.map", True),
        ("*.map", "y.map.js", False),
        ("a*c/x", "abbc/x", True),
        ("a*c/x", "a/c/x", False),
        ("?.js", "a.js", True),
        ("?.js", "ab.js", False),
        ("[ab].js", "b.js", True),
        ("[!ab].js", "b.js", False),
        ("[a-c].js", "b.js", True),
        ("[z-a].js", "b.js", False),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("a/**/x", "a/x", True),
        ("a/**/x", "a/b/c/x", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("dir\n!dir/keep", "dir/keep", True),
        ("dir/*\n!dir/keep", "dir/keep", False),
        ("# a", "# a", False),
        ("\\# a", "# a", True),
        ("\\!a", "!a", True),
        ("a ", "a", True),
        ("a\\ ", "a ", True),
        ("", "a", False),
        ("/", "a", False),
        (".*", ".hidden", True),
        ("a+(b).txt", "a+(b).txt", True),
    ],
)
def test_patterns(lines: str, path: str, ignored: bool) -> None:
    assert IgnorePatterns(lines.split("\n")).ignores(path) is ignored

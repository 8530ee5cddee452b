"""Paths as URLs spell them. Which file a path means is held against recordings in tests/gateway/test_assets_parity.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core import asset_paths
from emulator.core.asset_paths import Redirect, Serve, find

HANDLINGS = ("auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none")


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/a/../b", "/b"),
        ("/a/%2E%2e/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/../..", "/"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a//b", "/a//b"),
        ("/a\\b", "/a/b"),
        ("/a b\xc3\xbc", "/a%20b%C3%BC"),
        ("/...", "/..."),
        ("/%zz", "/%zz"),
    ],
)
def test_normal_paths(path: str, normal: str) -> None:
    assert asset_paths.normal(path) == normal
    assert asset_paths.normal(normal) == normal


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_a_name_survives_its_spelling(name: str) -> None:
    path = "/" + name.replace("/", "")
    assert asset_paths.decode(asset_paths.encode(path)) == path


NAMES = ["/index.html", "/index", "/a", "/a.html", "/a/index.html", "/a/index", "/a/b.html", "/a/index/index.html", "/a.html/index.html"]


@given(st.sets(st.sampled_from(NAMES)), st.sampled_from([*NAMES, "/", "/a/", "/a/b", "/a/b/", "/a/index/"]), st.sampled_from(HANDLINGS))
def test_redirects_end_at_a_file(files: set[str], path: str, html: str) -> None:
    """The platform needs two for `/a/index/` of `/a/index.html`; none needs more."""
    found = find(path, html, files.__contains__)
    for _ in range(2):
        if isinstance(found, Redirect):
            found = find(found.path, html, files.__contains__)
    assert found is None or (isinstance(found, Serve) and found.file in files)

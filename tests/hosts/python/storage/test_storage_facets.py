"""The facet index and its files (design.md 4.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.errors import StartError
from emulator.hosts.python.facet_files import ROOT, FacetFiles

ID = "ab" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / f"{ID}.sqlite"


def test_numbers_count_from_one_and_are_kept(root: Path) -> None:
    facets = FacetFiles(root)
    assert facets.number(ROOT, "one") == 1
    assert facets.number(ROOT, "zwei ü") == 2
    assert facets.number(2, "one") == 3
    assert facets.number(ROOT, "one") == 1
    assert root.with_suffix(".facets").read_bytes().hex() == (
        "57efb0c55bcecdc4" + "00000300" + b"one".hex() + "00000700" + "zwei ü".encode().hex() + "02000300" + b"one".hex()
    )
    again = FacetFiles(root)
    assert again.find(2, "one") == 3
    assert again.children(ROOT) == {"one": 1, "zwei ü": 2}
    assert again.path(3) == root.parent / f"{ID}.3.sqlite"
    assert again.path(ROOT) == root


def test_looking_writes_nothing(root: Path) -> None:
    facets = FacetFiles(root)
    assert facets.find(ROOT, "one") is None
    assert facets.children(ROOT) == {}
    assert not root.with_suffix(".facets").exists()


def test_deleting_takes_the_subtree_and_keeps_the_numbers(root: Path) -> None:
    facets = FacetFiles(root)
    child = facets.number(ROOT, "child")
    grandchild = facets.number(child, "grandchild")
    other = facets.number(ROOT, "other")
    for number in (child, grandchild, other):
        facets.path(number).write_bytes(b"data")
    facets.path(child).with_name(facets.path(child).name + "-wal").write_bytes(b"wal")
    assert facets.delete(child) == [grandchild, child]
    assert sorted(path.name for path in root.parent.glob("*.sqlite*")) == [facets.path(other).name]
    assert FacetFiles(root).number(ROOT, "child") == child


@pytest.mark.parametrize("lost", range(1, 11))
def test_a_half_written_entry_is_overwritten(root: Path, lost: int) -> None:
    FacetFiles(root).number(ROOT, "first")
    index = root.with_suffix(".facets")
    whole = index.read_bytes()
    FacetFiles(root).number(ROOT, "second")
    index.write_bytes(index.read_bytes()[:-lost] if lost < 10 else whole)
    assert FacetFiles(root).number(ROOT, "second again") == 2
    assert FacetFiles(root).children(ROOT) == {"first": 1, "second again": 2}


@pytest.mark.parametrize("size", range(8))
def test_a_half_written_head_is_an_empty_index(root: Path, size: int) -> None:
    root.with_suffix(".facets").write_bytes(bytes.fromhex("57efb0c55bcecdc4")[:size])
    assert FacetFiles(root).number(ROOT, "first") == 1
    assert FacetFiles(root).children(ROOT) == {"first": 1}


def test_another_file_is_refused(root: Path) -> None:
    root.with_suffix(".facets").write_bytes(b"something else entirely")
    with pytest.raises(StartError) as failure:
        FacetFiles(root).number(ROOT, "first")
    assert failure.value.code == "E352"

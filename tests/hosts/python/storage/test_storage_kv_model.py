"""`list` and the other key-value operations against a plain dict (S-57 to S-60)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.hosts.python.database import Database
from emulator.hosts.python.kv import KeyValue, ListOptions, successor
from emulator.hosts.python.open_files import OpenFiles

keys = st.text(alphabet=st.sampled_from("ab\x00\x7f\u0080é\ud7ff\ue000\uffff😀\U0010ffff"), max_size=4)
bounds = st.none() | keys
options = st.builds(
    lambda prefix, start, after, end, limit, reverse, exclusive: ListOptions(
        prefix=prefix,
        start=None if exclusive else start,
        start_after=after if exclusive else None,
        end=end,
        limit=limit,
        reverse=reverse,
    ),
    bounds,
    bounds,
    bounds,
    bounds,
    st.none() | st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)


def table(path: Path) -> tuple[Database, KeyValue]:
    database = Database(path, OpenFiles(), on_dirty=lambda: None, on_commit=lambda: None)
    return database, KeyValue(database, lambda value: str(value).encode(), int)


def expected(entries: dict[str, int], wanted: ListOptions) -> list[tuple[str, int]]:
    """The options said in Python, over keys compared by their UTF-8 bytes."""

    def inside(key: str) -> bool:
        data = key.encode()
        return (
            (wanted.prefix is None or data.startswith(wanted.prefix.encode()))
            and (wanted.start is None or data >= wanted.start.encode())
            and (wanted.start_after is None or data > wanted.start_after.encode())
            and (wanted.end is None or data < wanted.end.encode())
        )

    found = sorted(((k, v) for k, v in entries.items() if inside(k)), key=lambda pair: pair[0].encode(), reverse=wanted.reverse)
    return found[: wanted.limit]


@settings(max_examples=60, deadline=None)
@given(entries=st.dictionaries(keys, st.integers(0, 9), max_size=12), wanted=st.lists(options, min_size=1, max_size=12))
def test_list_agrees_with_a_sorted_dict(entries: dict[str, int], wanted: list[ListOptions]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database, kv = table(Path(folder) / "kv.sqlite")
        kv.put_many(entries.items())
        for one in wanted:
            assert kv.list(one) == expected(entries, one)
        database.release()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.integers(0, 9)),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("delete_many"), st.lists(keys, max_size=3)),
        st.tuples(st.just("get_many"), st.lists(keys, max_size=4)),
        st.tuples(st.just("commit")),
        st.tuples(st.just("rollback")),
        st.tuples(st.just("close")),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_any_sequence_of_operations_agrees_with_a_dict(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database, kv = table(Path(folder) / "kv.sqlite")
        saved: dict[str, int] = {}
        now: dict[str, int] = {}
        for step in steps:
            match step:
                case ("put", key, value):
                    kv.put(key, value)
                    now[key] = value
                case ("delete", key):
                    assert kv.delete(key) == (now.pop(key, None) is not None)
                case ("delete_many", several):
                    assert kv.delete_many(several) == sum(now.pop(key, None) is not None for key in several)
                case ("get_many", several):
                    assert kv.get_many(several) == sorted({key: now[key] for key in several if key in now}.items())
                case ("commit",):
                    database.commit()
                    saved = dict(now)
                case ("rollback",):
                    database.rollback()
                    now = dict(saved)
                case ("close",):
                    database.commit()
                    database.release()
                    saved = dict(now)
            assert dict(kv.list()) == now
        database.release()


@given(prefix=keys.filter(bool), tail=keys)
def test_nothing_with_the_prefix_reaches_its_successor(prefix: str, tail: str) -> None:
    after = successor(prefix)
    assert after is None or (prefix + tail).encode() < after.encode()


def test_a_prefix_of_last_code_points_has_no_successor() -> None:
    assert successor("\U0010ffff\U0010ffff") is None
    assert successor("a\U0010ffff") == "b"

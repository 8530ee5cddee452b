"""Reading files: comments, trailing commas, positions, and what syntax errors look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config.document import excerpt, read_document
from emulator.errors import ConfigError

JSONC = """\ufeff// a comment with "quotes" and a { brace
{
  "name": "x // no comment, /* neither */",
  /* several
     lines */
  "list": [1, 2, 3,],
  "nested": { "a\\"b": [ {"deep": true}, ], },
}
"""

TOML = """\
name = "shop" # comment
main = 'src/entry.py'

[durable_objects]
bindings = [
  { name = "A", class_name = "A" },
]

[[migrations]]
tag = "v1"

[[migrations]]
tag = "v2"
new_sqlite_classes = ["A"]

[env.staging.vars]
"a key" = 1
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_json_with_comments_and_trailing_commas(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "wrangler.jsonc", JSONC))
    assert document.data == {"name": "x // no comment, /* neither */", "list": [1, 2, 3], "nested": {'a"b': [{"deep": True}]}}


def test_json_places(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "wrangler.jsonc", JSONC))
    assert document.place(("name",)) == "wrangler.jsonc:3"
    assert document.place(("list", 2)) == "wrangler.jsonc:6"
    assert document.place(("nested", 'a"b', 0, "deep")) == "wrangler.jsonc:7"
    assert document.place(("nested", "absent", "deeper")) == "wrangler.jsonc:7"
    assert document.place(("absent",)) == "wrangler.jsonc"


def test_toml_places(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "wrangler.toml", TOML))
    assert document.data["migrations"][1] == {"tag": "v2", "new_sqlite_classes": ["A"]}
    assert document.place(("main",)) == "wrangler.toml:2"
    assert document.place(("durable_objects", "bindings", 0, "name")) == "wrangler.toml:5"
    assert document.place(("migrations", 0, "tag")) == "wrangler.toml:10"
    assert document.place(("migrations", 1, "new_sqlite_classes", 0)) == "wrangler.toml:14"
    assert document.place(("env", "staging", "vars", "a key")) == "wrangler.toml:17"


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("wrangler.jsonc", '{\n  "name": "x" // comment\n  "main": "y"\n}', ":3:3"),
        ("wrangler.json", '{\n  "name": "x\n}', ":2:13"),
        ("wrangler.jsonc", "{ 'name': 1 }", ":1:3"),
        ("wrangler.jsonc", '{ "a": 1 /* never closed }', ":1:10"),
        ("wrangler.toml", 'name = "x"\nmain = \n', ":2:"),
    ],
)
def test_syntax_errors_name_line_and_column(tmp_path: Path, name: str, text: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_document(write(tmp_path, name, text))
    assert caught.value.code == "E103"
    assert caught.value.where is not None
    head, *block = caught.value.where.split("\n")
    assert head.startswith(f"{name}{place}")
    assert block[-1].strip() == "^"
    assert caught.value.render().count("\n") == len(block) + 1


def test_the_caret_stands_under_the_column() -> None:
    lines = excerpt("first\n\tabc\n", 2, 3).split("\n")
    assert lines == ["1 | first", "2 |  abc", "      ^"]


def test_a_long_line_is_cut_around_the_column() -> None:
    line = " " * 500 + "?" + " " * 500
    shown, caret = excerpt(line, 1, 501).split("\n")
    assert len(shown) < 120
    assert shown[caret.index("^")] == "?"


@pytest.mark.parametrize("text", ["[1]", '"x"', "NaN", '{"a": Infinity}', "[" * 100_000, ""])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"wrangler\.json") as caught:
        read_document(write(tmp_path, "wrangler.json", text))
    assert caught.value.code == "E103"


def test_bytes_that_are_no_utf8_are_located(tmp_path: Path) -> None:
    (tmp_path / "wrangler.json").write_bytes(b'{\n"a": "\xff"}')
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / "wrangler.json")
    assert (caught.value.code, caught.value.where) == ("E102", "wrangler.json:2")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "wrangler.json").mkdir()
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / "wrangler.json")
    assert caught.value.code == "E102"

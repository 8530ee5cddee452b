"""What the documents list is what exists."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import emulator
from emulator.cli.dev import dev
from emulator.cli.main import COMMANDS
from emulator.config.options import DECLARATIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text("utf-8")


def codes_in_source() -> set[str]:
    """Every string in the code that is an error code and nothing else."""
    found: set[str] = set()
    for path in (ROOT / "emulator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"E\d{3}", node.value):
                found.add(node.value)
    for path in (ROOT / "emulator").rglob("*.mjs"):
        found.update(re.findall(r'"(E\d{3})"', path.read_text("utf-8")))
    return found


def test_every_error_code_has_one_row() -> None:
    rows = re.findall(r"^\| (E\d{3}) \|", ERRORS, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert rows == sorted(rows)
    assert set(rows) == codes_in_source()


def test_readme_lists_every_command() -> None:
    assert re.findall(r"^\| `(\w+)[^`]*` \|", README.split("## Options")[0].split("## Commands")[1], re.MULTILINE) == list(COMMANDS)


def test_readme_lists_every_flag() -> None:
    table = README.split("## Options of `dev`")[1]
    listed = set(re.findall(r"`(--?[a-z][a-z-]*)", table))
    flags = {word for parameter in dev.params for word in (*parameter.opts, *parameter.secondary_opts) if word.startswith("-")}
    assert listed == flags


def test_readme_lists_every_key_of_the_file() -> None:
    table = README.split("## Options of `dev`")[1]
    listed = set(re.findall(r"^\|[^|]*\| `([a-z_.]+)` \|", table, re.MULTILINE))
    assert listed == {declaration.in_file for declaration in DECLARATIONS.values() if declaration.in_file}


def test_links_lead_somewhere() -> None:
    for document in (README, ERRORS):
        for target in re.findall(r"\]\(([^)#]+)\)", document):
            assert target.startswith("https://") or (ROOT / target).exists(), target


def test_one_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"] == emulator.__version__


def test_the_map_names_every_module_of_the_node_host_and_none_that_is_gone() -> None:
    text = (ROOT / "emulator" / "README.md").read_text("utf-8")
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/.]+\.(?:mjs|py))`", text)}
    assert {path.name for path in (ROOT / "emulator/hosts/node").glob("*.mjs")} <= named
    assert named <= {path.name for path in ROOT.rglob("emulator/**/*.*")} | {path.name for path in (ROOT / "tests").glob("*.py")}

"""Every acceptance statement of the model layer has a test, and the table that says which names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE = re.findall(r"^\| (A\d+) [^|]*\| ([^|]*) \|$", (TESTS / "journeys" / "README.md").read_text("utf-8"), re.MULTILINE)
STATEMENTS = 41


def test_every_statement_has_one_row():
    assert [name for name, _ in TABLE] == [f"A{number}" for number in range(1, STATEMENTS + 1)]


@pytest.mark.parametrize(("statement", "holders"), TABLE)
def test_the_tests_of_a_statement_exist(statement: str, holders: str):
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", holders)
    assert named, statement
    for file, test in named:
        tree = ast.walk(ast.parse((TESTS / file).read_text("utf-8")))
        functions = {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert test in functions, f"{statement}: {file} has no {test}"

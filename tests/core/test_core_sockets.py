"""Limits and checks of durable-objects.md 5.2 and 5.6."""

from __future__ import annotations

import pytest

from emulator.core import sockets as rules


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1014, 3000, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    assert rules.close_code_error(code) is None
    assert rules.echoed_code(code) == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 5000, -1])
def test_codes_that_may_not(code: int) -> None:
    assert rules.close_code_error(code) == f"Invalid WebSocket close code: {code}."
    assert rules.echoed_code(code) is None


def test_reasons() -> None:
    assert rules.close_reason_error(1000, "x" * 123) is None
    assert rules.close_reason_error(1000, "ä" * 62) is not None
    assert rules.close_reason_error(None, "x") is not None
    assert rules.close_reason_error(None, None) is None


def test_tags() -> None:
    assert rules.tags_error(["x"] * 10) is None
    assert rules.tags_error(list("abcdefghij")) is None
    assert rules.tags_error([*"abcdefghij", "a"]) is not None
    assert rules.tags_error(["x" * 256]) is None
    assert rules.tags_error(["x" * 257]) is not None
    assert rules.distinct(["b", "a", "b"]) == ["b", "a"]


def test_auto_response_is_exact() -> None:
    pair = rules.AutoResponse("ping", "pöng")
    assert pair.answer(b"ping") == "pöng".encode()
    assert [pair.answer(text) for text in (b"ping ", b"Ping", b"", b"pin")] == [None] * 4


def test_the_oversize_sentence() -> None:
    assert rules.too_large(34_603_008) == "Message is too large: 34603008 > 33554432"

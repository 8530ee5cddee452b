"""Recordings that are too old (A29)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.staleness import stale_recordings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REQUEST = {"kind": "http", "target": "GET https://x/"}


def days_ago(days: int) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def found(cassettes, max_age_days: int = 90):
    return {one.recording.id: one.why for one in stale_recordings(Library([cassettes.root]).shelf(), NOW, max_age_days)}


def write(cassettes, name: str, cassette: str = "default", **more):
    cassettes.write(name, {"request": REQUEST, "response": {"status": 204}, **more}, cassette)


def test_age_counts_from_the_recording(cassettes):
    write(cassettes, "old", recorded={"at": days_ago(91)})
    write(cassettes, "fresh", recorded={"at": days_ago(90)})
    write(cassettes, "undated")
    write(cassettes, "by-hand", source="manual", recorded={"at": days_ago(900)})
    assert found(cassettes) == {"old": "91 days old, allowed are 90"}
    assert found(cassettes, 30) == {"old": "91 days old, allowed are 30", "fresh": "90 days old, allowed are 30"}


def test_a_cassette_has_a_limit_of_its_own(cassettes):
    write(cassettes, "a", recorded={"at": days_ago(10)})
    (cassettes.folder() / "cassette.json").write_text('{"max_age_days": 7}')
    assert found(cassettes) == {"a": "10 days old, allowed are 7"}


def test_a_whole_recording_since_then_confirms_what_came_back_unchanged(cassettes):
    write(cassettes, "a", recorded={"at": days_ago(200)})
    (cassettes.folder() / "cassette.json").write_text(f'{{"recorded": "{days_ago(80)[:10]}"}}')
    assert found(cassettes) == {}
    assert "a" in found(cassettes, 79)


@pytest.mark.parametrize("source", ["recorded", "manual"])
def test_expires_holds_for_everything(cassettes, source):
    write(cassettes, "a", source=source, match={"expires": days_ago(1)})
    write(cassettes, "b", source=source, match={"expires": days_ago(-1)})
    assert found(cassettes) == {"a": "expired on 2026-11-21"}

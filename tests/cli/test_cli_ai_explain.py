"""What `agents-emu ai explain` prints of what the server tells."""

from __future__ import annotations

from typing import Any

from emulator.cli.ai.explain import lines_of

CALL = {"request_id": "r", "status": 200, "source": "backend", "backend": "ollama", "mode": "auto"}


def explained(**call: Any) -> list[str]:
    found = {"kind": "binding.run", "target": "@cf/m", "canonical": {}, "changed": [], "cassettes": [], "manual": [], "nearest": None}
    return list(lines_of({**found, "call": {**CALL, **call}}))


def test_what_a_translation_lost_is_told():
    lines = explained(warnings=["tool_choice dropped: Ollama cannot force a tool call", "temperature 3 clamped to 2"])
    assert [line for line in lines if "warning" in line] == [
        "  warning   tool_choice dropped: Ollama cannot force a tool call",
        "  warning   temperature 3 clamped to 2",
    ]


def test_a_call_without_warnings_has_no_such_line():
    assert (
        explained(warnings=[])
        == explained()
        == [
            "binding.run @cf/m  request r",
            "  answered  200 from backend ollama, mode auto",
            "  compared  {}",
        ]
    )

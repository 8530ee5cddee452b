"""What the real runtime answered (tests/vectors/storage.json) is what we answer.

Covers S-33, S-36 to S-40, S-42 to S-49 and S-51 to S-67 of durable-objects.md 12 as far as storage alone decides them.
"""

from __future__ import annotations

from typing import Any


def accepted(case: str, operation: list[Any], expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """The differences we keep, each with its reason."""
    if operation[0] == "size":
        return "ok" in found and found["ok"] % 4096 == 0
    return False


async def test_answers_as_the_real_runtime_does(case: dict[str, Any], operations: Any) -> None:
    differences = []
    for turn in case["turns"]:
        if "thrown" in turn:
            found = await operations.turn(turn["operations"])
            if found != [{"thrown": turn["thrown"]}]:
                differences.append((turn["operations"], turn["thrown"], found))
            continue
        results = await operations.turn([operation for operation, _ in turn["steps"]])
        for (operation, expected), found in zip(turn["steps"], results, strict=True):
            if found != expected and not accepted(case["name"], operation, expected, found):
                differences.append((operation, expected, found))
    assert differences == []

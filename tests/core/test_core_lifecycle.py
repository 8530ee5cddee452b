"""The life of an object: legal steps, generations, the idle deadline (durable-objects.md 1.3, 6; S-97, S-98).

The cases are `tests/vectors/core/lifecycle.json`, which the Node host plays too (tests/hosts/node/core_rules.test.mjs).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.core.lifecycle import IDLE_MS, Lifecycle, Step
from emulator.errors import InternalError

CASES = json.loads((Path(__file__).parent.parent / "vectors" / "core" / "lifecycle.json").read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_life(case: dict[str, Any]) -> None:
    life = Lifecycle(case["idle_ms"])
    for entry in case["steps"]:
        step = Step(entry["step"])
        if "refused" in entry:
            with pytest.raises(InternalError, match=entry["refused"]):
                life.step(step, entry["at"])
            continue
        reached = life.step(step, entry["at"], hibernatable=entry.get("hibernatable", False))
        assert reached.value == entry["state"], entry
        assert life.next_deadline() == entry.get("deadline", life.next_deadline()), entry
        assert life.generation == entry.get("generation", life.generation), entry


def test_the_real_runtime_waits_ten_seconds() -> None:
    assert Lifecycle().idle_ms == IDLE_MS == 10_000

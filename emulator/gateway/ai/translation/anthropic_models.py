"""What each Claude takes and refuses, as far as a translation must know it. Facts from Anthropic's public model pages, November 2026.

A name that nobody listed counts as a Claude of the newest kind; a name that is no Claude's at all (a server that only speaks the
protocol) is taken to accept what the protocol has had from its first day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Thinking(Enum):
    """How a model is told to think."""

    ADAPTIVE = "adaptive"
    """As much as it finds right; `output_config.effort` guides it."""
    BUDGET = "budget"
    """With `budget_tokens`."""
    NONE = "none"
    """It does not think aloud."""


@dataclass(frozen=True, slots=True)
class Claude:
    """`max_output` in tokens, thinking included; None: unknown."""

    max_output: int | None = 128_000
    json_schema: bool = True
    """`output_config.format` and strict tools."""
    thinking: Thinking = Thinking.ADAPTIVE
    rests: bool = True
    """Thinking can be switched off."""
    between_tools: bool = False
    """`thinking: {type: "between_tools"}`, the least of a model that never rests."""
    sampling: bool = False
    """`temperature`, `top_p` and `top_k`."""
    forced_tool: bool = True
    """`tool_choice` `any` and `tool`."""


_NEWEST = Claude()
_STRANGER = Claude(max_output=None, json_schema=False, thinking=Thinking.BUDGET, sampling=True)
_LATEST = (
    (r"sonnet-5-5", Claude(rests=False, forced_tool=False, between_tools=True)),
    (r"opus-5-5|(?:fable|mythos)-5-\d", Claude(rests=False, forced_tool=False)),
    (r"(?:fable|mythos)-5", Claude(rests=False)),
    (r"haiku-5-5|(?:opus|sonnet)-5|opus-4-[78]", _NEWEST),
    (r"(?:opus|sonnet)-4-6", Claude(sampling=True)),
    (r"(?:opus|sonnet|haiku)-4-5", Claude(64_000, thinking=Thinking.BUDGET, sampling=True)),
    (r"opus-4-1", Claude(32_000, thinking=Thinking.BUDGET, sampling=True)),
    (r"opus-4", Claude(32_000, json_schema=False, thinking=Thinking.BUDGET, sampling=True)),
    (r"sonnet-4|3-7-sonnet", Claude(64_000, json_schema=False, thinking=Thinking.BUDGET, sampling=True)),
    (r"3-5-", Claude(8_192, json_schema=False, thinking=Thinking.NONE, sampling=True)),
    (r"3-|2|instant", Claude(4_096, json_schema=False, thinking=Thinking.NONE, sampling=True)),
)
_CLAUDES = tuple((re.compile(rf"claude-(?:{names})(?:[-@:]|$|(?<=-))"), claude) for names, claude in _LATEST)


def claude_of(model: str) -> Claude:
    """What the model of that name takes; `model` as Anthropic spells it."""
    if "claude-" not in model:
        return _STRANGER
    return next((claude for name, claude in _CLAUDES if name.search(model)), _NEWEST)


def anthropic_name(model: str) -> str:
    """Anthropic's spelling of a model's name: AI Gateway's catalogue writes `anthropic/claude-opus-4.8` for `claude-opus-4-8`."""
    model = model.removeprefix("anthropic/")
    return re.sub(r"(?<=\d)\.(?=\d)", "-", model) if model.startswith("claude-") else model

"""How two recordings differ: their requests by JSON path, their answers by what they say and, if nothing is understood, by JSON path too.
Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.cassettes.nearest import ABSENT, differences
from emulator.gateway.ai.curation.conversation import Conversation, conversation_of


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` leads into the recording; below `$.answer` stands what the answer says, in one form for all dialects. A side that has no value
    there is None, and then named in `missing`: `left` or `right`."""

    path: str
    left: Any
    right: Any
    missing: str | None = None


def compared(left: Mapping[str, Any], right: Mapping[str, Any], *, events: bool = False) -> list[Difference]:
    """The differences of two documents, in order. With `events` the answers are compared as they are stored, event by event."""
    pairs = list(differences(left["request"], right["request"], ("request",)))
    pairs += differences(_without_key(left), _without_key(right), ("match",))
    first, second = conversation_of(left), conversation_of(right)
    if events or first.said is None or second.said is None:
        pairs += differences(_plain(left["response"], events), _plain(right["response"], events), ("response",))
    else:
        pairs += differences(_meaning(first, left), _meaning(second, right), ("answer",))
    return list(_shown(pairs))


def _shown(pairs: list[tuple[tuple[str | int, ...], Any, Any]]) -> Iterator[Difference]:
    for path, left, right in pairs:
        missing = "left" if left is ABSENT else "right" if right is ABSENT else None
        yield Difference(jsonpath.join(path), None if left is ABSENT else left, None if right is ABSENT else right, missing)


def _without_key(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.get("match", {}).items() if name not in ("key", "rules")}


def _meaning(talk: Conversation, document: Mapping[str, Any]) -> dict[str, Any]:
    said = talk.said
    assert said is not None  # the caller has asked
    return {
        "status": talk.status,
        "streamed": "stream" in document["response"],
        "text": said.text,
        "reasoning": said.reasoning,
        "calls": [{"name": call.name, "arguments": call.arguments} for call in said.calls],
        "finish": talk.finish,
        "error": talk.error,
        "end": talk.end,
        "usage": {"prompt": talk.prompt_tokens, "completion": talk.completion_tokens},
        "headers": dict(document["response"].get("headers", {})),
    }


def _plain(response: Mapping[str, Any], events: bool) -> Any:
    """Without what follows from the rest, and without times unless events are compared."""
    if "stream" not in response:
        return response
    stream = {name: value for name, value in response["stream"].items() if name not in ("chunks", "sha256")}
    if not events:
        stream["events"] = [{name: value for name, value in event.items() if name != "t"} for event in stream.get("events", ())]
    return {**response, "stream": stream}


def as_data(difference: Difference) -> dict[str, Any]:
    """As `--json` shows it."""
    return dataclasses.asdict(difference)

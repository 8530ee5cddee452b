"""Fixture files of aimock (CopilotKit), written by hand or by its recorder, as stubs that match by rules.

aimock's fixtures have no provider: one pool answers all of them. Each becomes stubs for the dialects that are asked for, whole and
streamed. What is matched, in aimock's words and ours (router and loader of aimock 1.43):

    userMessage          $.turn.user contains             sequenceIndex   answers once, in that order
    systemMessage        $.turn.system contains           turnIndex       $.turn.assistants at least; the highest that fits wins
    toolCallId           $.turn.tool_result.id equals     hasToolResult   $.turn.after_tool equals
    toolResultContains   $.turn.tool_result.text contains toolName        $.turn.tools[*] equals
    inputText            $.turn.input contains            model           $.body.model, or with a date behind it
    responseFormat       $.body.response_format.type      endpoint        the address

The first fixture that fits wins there: `match.priority` keeps that order. What only a program can say (predicates, functions) is not in
files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.gateway.ai.curation.importing import Found, Note, Stub, read_text, unreadable
from emulator.gateway.ai.curation.importing.spoken import Block, Dialect, Script, events, whole

_CHUNK_SIZE = 20
_EMBEDDINGS, _IMAGES = "embeddings", "images/generations"
_ENDPOINTS = {"chat": None, "embedding": _EMBEDDINGS, "image": _IMAGES, "transcription": "audio/transcriptions"}
_KNOWN = frozenset(
    {
        "userMessage", "systemMessage", "inputText", "toolCallId", "toolResultContains", "toolName", "model", "responseFormat", "endpoint",
        "sequenceIndex", "turnIndex", "hasToolResult",
    }
)  # fmt: skip

_CONTAINED = (("userMessage", "$.turn.user"), ("inputText", "$.turn.input"), ("toolResultContains", "$.turn.tool_result.text"))
_EQUAL = (
    ("toolCallId", "$.turn.tool_result.id"),
    ("toolName", "$.turn.tools[*]"),
    ("hasToolResult", "$.turn.after_tool"),
    ("responseFormat", "$.body.response_format.type"),
)

Rules = list[dict[str, Any]]


class Pool:
    """Reads the files of one pool of fixtures, in aimock's order: those of an earlier file win. Without `dialects` Anthropic's is taken for
    models named claude, both of OpenAI's for the others."""

    def __init__(self, dialects: Sequence[Dialect] = ()) -> None:
        self._dialects = tuple(dialects)
        self._count = 0

    def read(self, file: Path) -> Found:
        """The fixtures of a file. Raises RecordingError E534."""
        fixtures = _fixtures(file)
        found = Found()
        for index, (fixture, (rank, turn_counts)) in enumerate(zip(fixtures, _ranks(fixtures), strict=True)):
            place = f"{file} $.fixtures[{index}]"
            try:
                reader = _Fixture(place, fixture, self._count + rank, turn_counts, self._dialects)
                found.items += reader.stubs(self._count + index)
                found.notes += reader.notes
            except (_LeftOut, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
                what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
                found.notes.append(Note(place, f"left out, {what}"))
        self._count += len(fixtures)
        return found


def _fixtures(file: Path) -> list[Any]:
    try:
        document = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise unreadable(file, f":{error.lineno}:{error.colno}", f"it is not JSON: {error.msg}", "correct the file") from None
    fixtures = document.get("fixtures") if isinstance(document, dict) else None
    if not isinstance(fixtures, list):
        raise unreadable(file, " $.fixtures", "it is no fixture file of aimock", 'such a file is {"fixtures": [{"match", "response"}]}')
    return fixtures


class _LeftOut(Exception):
    """Why a fixture cannot become a stub."""


def _ranks(fixtures: Sequence[Any]) -> list[tuple[int, bool]]:
    """For each fixture its place in the order of preference (0 first), and whether its turn is a condition.

    A scripted turn that the conversation has reached goes before a fixture without one, the later turn first; where all fixtures of one
    content are scripted, the earliest of them also answers before its turn. Sequences go in the order of their index.
    """
    matches = [match if isinstance(match := fixture.get("match"), dict) else {} for fixture in _objects(fixtures)]
    turns = [match.get("turnIndex") if isinstance(match.get("turnIndex"), int) else None for match in matches]
    contents = [_without(match, "turnIndex", "sequenceIndex") for match in matches]
    position = _in_sequence(matches)
    order = sorted(range(len(matches)), key=lambda index: (_turn_rank(turns[index]), position[index]))
    place = {index: rank for rank, index in enumerate(order)}
    ranks = []
    for index, turn in enumerate(turns):
        siblings = [turns[other] for other, content in enumerate(contents) if content == contents[index]]
        earliest = None not in siblings and turn == min(other for other in siblings if other is not None)
        ranks.append((place[index], turn is not None and not earliest))
    return ranks


def _turn_rank(turn: int | None) -> int:
    return 0 if turn is None else -1 - turn


def _in_sequence(matches: Sequence[Mapping[str, Any]]) -> list[int]:
    """The place of each fixture in the file. Those of one sequence take each other's, so that they come in the order of their index."""
    position = list(range(len(matches)))
    groups: dict[str, list[int]] = {}
    for index, match in enumerate(matches):
        if isinstance(match.get("sequenceIndex"), int):
            groups.setdefault(_without(match, "sequenceIndex"), []).append(index)
    for group in groups.values():
        for place, index in zip(group, sorted(group, key=lambda index: int(matches[index]["sequenceIndex"])), strict=True):
            position[index] = place
    return position


def _without(match: Mapping[str, Any], *names: str) -> str:
    return json.dumps({name: value for name, value in match.items() if name not in names}, sort_keys=True)


def _objects(fixtures: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    return (fixture if isinstance(fixture, dict) else {} for fixture in fixtures)


class _Fixture:
    """One fixture on its way to stubs."""

    def __init__(self, place: str, fixture: Mapping[str, Any], rank: int, turn_counts: bool, dialects: Sequence[Dialect]) -> None:
        self._place = place
        self._file, _, self._path = place.rpartition(" ")
        self._match: Mapping[str, Any] = fixture["match"]
        self._response: Mapping[str, Any] = fixture["response"]
        self._fixture = fixture
        self._rank, self._turn_counts = rank, turn_counts
        self._dialects = tuple(dialects) or self._usual_dialects()
        self.notes: list[Note] = []

    def stubs(self, index: int) -> list[Stub]:
        """The stubs, for each dialect one that answers at once and one that streams."""
        for name in sorted(set(self._match) - _KNOWN):
            self.notes.append(Note(self._place, f"its match.{name} has no counterpart here and is not asked for"))
        for name in ("chaos", "openRouterProcessing"):
            if name in self._fixture:
                self.notes.append(Note(self._place, f"its {name} is left out: faults are overlays here (agents-emu ai fault --help)"))
        endpoint = _ENDPOINTS.get(self._match.get("endpoint", "chat"), "")
        if endpoint == "":
            raise _LeftOut(f"the endpoint {self._match['endpoint']!r} cannot be imported")
        word = str(self._match.get("userMessage") or self._match.get("inputText") or self._match.get("toolName") or f"fixture {index}")
        response = self._response
        if "embedding" in response:
            return [self._stub(word, _EMBEDDINGS, [], {"status": 200, "json": self._embedding()})]
        if "image" in response or "images" in response:
            return [self._stub(word, _IMAGES, [], {"status": 200, "json": self._images()})]
        if "transcription" in response:
            told = {name: value for name, value in response["transcription"].items() if value is not None}
            return [self._stub(word, "audio/transcriptions", [], {"status": 200, "json": told}, match_body=False)]
        if "json" in response:
            return [self._stub(word, endpoint or "*", [], {"status": int(response.get("status", 200)), "json": response["json"]})]
        if endpoint is not None and "error" not in response:
            raise _LeftOut(f"its response is none that {endpoint} gives")
        return list(self._spoken(word, endpoint))

    def _spoken(self, word: str, endpoint: str | None) -> Iterator[Stub]:
        for dialect in self._dialects:
            place = endpoint or dialect.endpoint
            if "error" in self._response:
                yield self._stub(f"{word} {dialect}", place, [], self._error(dialect))
                continue
            script = self._script()
            plain = {"path": "$.turn.stream", "equals": False}
            yield self._stub(f"{word} {dialect}", place, [plain], {"status": 200, "json": whole(script, dialect)})
            streamed = {"path": "$.turn.stream", "equals": True}
            yield self._stub(f"{word} {dialect} stream", place, [streamed], {"status": 200, "stream": self._stream(script, dialect)})

    def _stub(self, word: str, endpoint: str, rules: Rules, response: dict[str, Any], *, match_body: bool = True) -> Stub:
        where = [*(self._rules() if match_body else []), *rules]
        repeat = "once" if isinstance(self._match.get("sequenceIndex"), int) else "forever"
        document = {
            "notes": f"from aimock: {Path(self._file).name} {self._path}",
            "request": {"kind": "http", "target": f"POST *://*/{endpoint}"},
            "match": {"where": where, "repeat": repeat, "priority": -1 - self._rank},
            "response": response,
        }
        return Stub(self._place, word, document)

    def _usual_dialects(self) -> tuple[Dialect, ...]:
        model = str(self._match.get("model") or self._response.get("model") or "")
        return (Dialect.ANTHROPIC,) if model.startswith("claude") else (Dialect.CHAT, Dialect.RESPONSES)

    def _rules(self) -> Rules:
        match = self._match
        rules: Rules = []
        for name, path in _CONTAINED:
            if match.get(name) is not None:
                rules.append({"path": path, "contains": _text(match[name], name)})
        system = match.get("systemMessage")
        rules += [{"path": "$.turn.system", "contains": _text(one, "systemMessage")} for one in _listed(system)]
        for name, path in _EQUAL:
            if match.get(name) is not None:
                rules.append({"path": path, "equals": match[name]})
        if match.get("model") is not None:
            rules.append({"path": "$.body.model", "regex": rf"^{re.escape(_text(match['model'], 'model'))}(-\d.*)?$"})
        if self._turn_counts:
            rules.append({"path": "$.turn.assistants", "regex": at_least(int(match["turnIndex"]))})
        return rules

    def _script(self) -> Script:
        response = self._response
        blocks = [*_blocks(response)]
        if not blocks:
            raise _LeftOut("its response is of no kind that is known here: content, toolCalls, blocks, error, embedding, image, json")
        return Script(
            blocks=tuple(blocks),
            seed=json.dumps([self._match, response], sort_keys=True),
            model=str(response.get("model") or self._match.get("model") or "aimock"),
            reasoning=str(response.get("reasoning") or ""),
            finish=response.get("finishReason"),
            usage=response.get("usage") or {},
            chunk_size=max(1, int(self._fixture.get("chunkSize") or _CHUNK_SIZE)),
        )

    def _stream(self, script: Script, dialect: Dialect) -> dict[str, Any]:
        spoken = events(script, dialect)
        times = self._times(len(spoken))
        timed = [{"t": t_ms, **event} for t_ms, event in zip(times, spoken, strict=True)]
        cut = self._fixture.get("truncateAfterChunks")
        after_ms = self._fixture.get("disconnectAfterMs")
        kept = timed if cut is None else timed[: int(cut)]
        kept = kept if after_ms is None else [event for event in kept if event["t"] <= after_ms]
        return {"framing": "sse", "events": kept, "end": "complete" if len(kept) == len(timed) else "reset"}

    def _times(self, count: int) -> list[int]:
        """When each chunk comes: as recorded, by the profile, or one `latency` apart."""
        fixture = self._fixture
        recorded, profile = fixture.get("recordedTimings"), fixture.get("streamingProfile")
        latency = float(fixture.get("latency") or 0)
        if profile:
            gap = 1000 / profile["tps"] if profile.get("tps") else latency
            gaps = [float(profile.get("ttft", gap))] + [gap] * count
        elif recorded:
            between = [float(gap) for gap in recorded.get("interChunkDelaysMs") or ()]
            mean = sum(between) / len(between) if between else 0.0
            gaps = [float(recorded.get("ttftMs") or 0), *between] + [mean] * count
        else:
            gaps = [latency] * count
        speed = float(fixture.get("replaySpeed") or 1)
        times, at = [], 0.0
        for gap in gaps[:count]:
            at += max(0.0, gap) / speed
            times.append(round(at))
        return times

    def _error(self, dialect: Dialect) -> dict[str, Any]:
        error, status = dict(self._response["error"]), int(self._response.get("status", 500))
        body: dict[str, Any] = {"error": {"type": "server_error", "code": None, "param": None, **error}}
        if dialect is Dialect.ANTHROPIC:
            body = {"type": "error", "error": {"type": error.get("type", "api_error"), "message": error.get("message", "")}}
        response: dict[str, Any] = {"status": status, "json": body}
        if status == 429:
            response["headers"] = {"retry-after": str(self._response.get("retryAfter", 1))}
        return response

    def _embedding(self) -> dict[str, Any]:
        row = {"object": "embedding", "index": 0, "embedding": self._response["embedding"]}
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return {"object": "list", "data": [row], "model": str(self._match.get("model") or "aimock"), "usage": usage}

    def _images(self) -> dict[str, Any]:
        images = self._response.get("images") or [self._response["image"]]
        names = {"url": "url", "b64Json": "b64_json", "revisedPrompt": "revised_prompt"}
        return {"created": 1735689600, "data": [{names[name]: value for name, value in one.items() if name in names} for one in images]}


def at_least(least: int) -> str:
    """A regular expression for the whole numbers from `least` on, as a rule can ask for them."""
    if least <= 0:
        return r"^\d+$"
    digits = str(least)
    wider = rf"\d{{{len(digits) + 1},}}"
    same = [
        f"{digits[:place]}[{int(digit) + 1}-9]" + rf"\d{{{len(digits) - place - 1}}}" for place, digit in enumerate(digits) if digit != "9"
    ]
    return f"^({'|'.join([digits, *same, wider])})$"


def _blocks(response: Mapping[str, Any]) -> Iterator[Block]:
    if response.get("blocks"):
        for block in response["blocks"]:
            yield _call(block) if block["type"] == "toolCall" else Block(text=str(block["text"]))
        return
    content, calls = response.get("content"), response.get("toolCalls")
    if content is not None and (content != "" or not calls):
        yield Block(text=content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    for call in calls or ():
        yield _call(call)


def _call(call: Mapping[str, Any]) -> Block:
    arguments = call.get("arguments", "{}")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    return Block(tool=str(call["name"]), arguments=text, id=call.get("id"))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _LeftOut(f"its match.{name} is no text")
    return value

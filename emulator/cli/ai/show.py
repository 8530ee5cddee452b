"""`agents-emu ai show`: one recording as a conversation, with its rhythm, tokens and cost."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.ai.fixtures import Fixtures, complete_recording, fixtures_options
from emulator.cli.ai.ls import row_of, short_age, short_size, stale_in
from emulator.cli.ai.outcome import say
from emulator.cli.colours import Colour, Paint, wants_colour
from emulator.config.document import shown

if TYPE_CHECKING:
    from emulator.gateway.ai.cassettes.inventory import Entry
    from emulator.gateway.ai.cassettes.recording import Recording
    from emulator.gateway.ai.curation.asked_messages import Message, ToolCall
    from emulator.gateway.ai.curation.conversation import Conversation

WIDTH_OF_FILES = 120
LABEL = 12
LONGEST = 4_000
"""Characters of one message; `--full` shows all."""
_HEIGHTS = "▁▂▃▄▅▆▇█"
_PLAIN_HEIGHTS = ".:-=+*#@"

EPILOG = """\b
Examples:
  agents-emu ai show 00-binding.run-glm-4.7-flash-hello
  agents-emu ai show 3fa9                  a part of the id, or the start of the key
  agents-emu ai show checkout/00-http --full
  agents-emu ai show 3fa9 --json"""


@click.command(epilog=EPILOG)
@click.argument("recording", shell_complete=complete_recording)
@click.option("--full", is_flag=True, help="Cut no message.")
@fixtures_options
def show(fixtures: Fixtures, recording: str, full: bool, as_json: bool) -> None:
    """Show RECORDING as a conversation: messages, tool calls, the rhythm of the answer, tokens and cost."""
    from emulator.gateway.ai.curation.conversation import conversation_of

    inventory = fixtures.inventory()
    entry = inventory.find(recording)
    if entry.recording is None or entry.document is None:
        assert entry.error is not None  # an entry without a recording says why
        raise entry.error
    talk = conversation_of(entry.document)
    if talk.cost_usd is None:
        talk = dataclasses.replace(talk, cost_usd=_list_price(fixtures, entry.recording, talk))
    row = row_of(entry, time.time(), stale_in(inventory, fixtures.options.ai.max_age_days))
    if as_json:
        click.echo(json.dumps({**row, **as_data(talk)}))
        return
    paint = Paint(wants_colour(sys.stdout, os.environ))
    width = min(shutil.get_terminal_size().columns, 140) if sys.stdout.isatty() else WIDTH_OF_FILES
    page = _Page(paint, width, LONGEST if not full else sys.maxsize)
    text = "\n".join(line.rstrip() for line in page.lines(entry, row, talk))
    say(text)


def _list_price(fixtures: Fixtures, recording: Recording, talk: Conversation) -> float | None:
    from emulator.gateway.ai.ai_gateway.prices import Prices
    from emulator.gateway.ai.ai_gateway.usage import tokens_of
    from emulator.gateway.ai.faults.dialects import model_named

    return Prices(fixtures.options.ai.prices).cost(model_named(recording.request), tokens_of(talk.usage), None)


def as_data(talk: Conversation) -> dict[str, Any]:
    """The conversation as `--json` shows it."""
    return {
        "asked": dataclasses.asdict(talk.asked),
        "answer": {
            "status": talk.status,
            "said": dataclasses.asdict(talk.said) if talk.said else None,
            "finish": talk.finish,
            "error": talk.error,
            "end": talk.end,
            "first_ms": talk.first_ms,
            "last_ms": talk.last_ms,
            "beats": [[beat.t_ms, beat.size] for beat in talk.beats],
        },
        "prompt_tokens": talk.prompt_tokens,
        "completion_tokens": talk.completion_tokens,
        "cost_usd": talk.cost_usd,
    }


class _Page:
    def __init__(self, paint: Paint, width: int, longest: int) -> None:
        self._paint = paint
        self._width = width
        self._longest = longest

    def lines(self, entry: Entry, row: dict[str, Any], talk: Conversation) -> Iterator[str]:
        yield self._paint(entry.name, Colour.TITLE)
        yield from self._field("file", f"{shown(entry.path)}, {short_size(entry.size)}")
        yield from self._field("asks", f"{row['kind']} {row['target']}")
        yield from self._field("source", self._source(entry, row))
        for rule in (entry.document or {}).get("match", {}).get("where", ()):
            yield from self._field("when", str(_rule(rule)))
        if talk.asked.messages or talk.asked.input or talk.asked.settings:
            yield ""
        for message in talk.asked.messages:
            yield from self._message(message.role, message)
        if talk.asked.input:
            yield from self._text("input", talk.asked.input)
        if talk.asked.tools:
            yield from self._field("tools", ", ".join(talk.asked.tools))
        if talk.asked.settings:
            yield from self._field("settings", _brief(talk.asked.settings))
        yield ""
        yield from self._answer(entry, talk)
        yield ""
        yield from self._measures(talk)

    def _source(self, entry: Entry, row: dict[str, Any]) -> str:
        recorded = (entry.document or {}).get("recorded", {})
        words = [str(row["source"])]
        if recorded.get("at"):
            words.append(f"{recorded['at']} ({short_age(row['age_s'])} ago)")
        if recorded.get("backend"):
            model = recorded.get("backend_model")
            words.append(f"from {recorded['backend']}{f' as {model}' if model else ''}")
        return ", ".join([*words, *(self._paint(mark, Colour.CARE) for mark in row["marks"])])

    def _message(self, label: str, message: Message) -> Iterator[str]:
        if message.reasoning:
            yield from self._text(f"{label[:6]}...", message.reasoning, Colour.DIM)
        if label == "tool":
            yield from self._text("tool", f"<- {message.answers or '?'}  {message.text}", Colour.DIM)
            return
        if message.text or not (message.calls or message.reasoning or message.other):
            yield from self._text(label, message.text or "(empty)")
            label = ""
        for kind in message.other:
            yield from self._field(label, f"[{kind}]")
            label = ""
        for call in message.calls:
            yield from self._text(label, _call(call), Colour.LINK)
            label = ""

    def _answer(self, entry: Entry, talk: Conversation) -> Iterator[str]:
        if talk.status >= 400 or talk.error:
            yield from self._text("answer", f"error {talk.status}: {talk.error or 'see the file'}", Colour.BAD)
        if talk.said is not None:
            yield from self._message("answer", talk.said)
        elif not (talk.status >= 400 or talk.error):
            yield from self._text("answer", _other_body((entry.document or {})["response"]))
        if talk.finish or talk.end != "complete":
            ending = {"complete": "", "eof": ", then the stream just ends", "reset": ", then the connection breaks"}
            yield from self._field("ends", f"{talk.finish or 'without a reason'}{ending.get(talk.end, f', {talk.end}')}")

    def _measures(self, talk: Conversation) -> Iterator[str]:
        if talk.beats:
            first = f"first words after {_ms(talk.first_ms)}, " if talk.first_ms is not None else ""
            yield from self._field("timing", f"{first}all {len(talk.beats)} events in {_ms(talk.last_ms)}")
            yield from self._field("", timing_bar([(beat.t_ms, beat.size) for beat in talk.beats], self._width - LABEL - 2, _heights()))
        if talk.prompt_tokens or talk.completion_tokens:
            cost = f", {_money(talk.cost_usd)}" if talk.cost_usd is not None else ""
            yield from self._field("tokens", f"{talk.prompt_tokens} in, {talk.completion_tokens} out{cost}")

    def _field(self, label: str, text: str) -> Iterator[str]:
        yield f"  {self._paint(f'{label:<{LABEL - 2}}', Colour.DIM)}{text}"

    def _text(self, label: str, text: str, colour: Colour | None = None) -> Iterator[str]:
        cut = len(text) - self._longest
        if cut > 0:
            text = f"{text[: self._longest]}\n... {cut} more characters (--full)"
        for index, line in enumerate(_wrapped(text, self._width - LABEL)):
            head = self._paint(f"{label if index == 0 else '':<{LABEL - 2}}", Colour.DIM)
            yield f"  {head}{self._paint(line, colour) if colour else line}"


def timing_bar(beats: Sequence[tuple[int, int]], width: int, heights: str) -> str:
    """Time from the request to the last event, left to right; a column is as high as much was said in its part of the time."""
    last = max((t_ms for t_ms, _ in beats), default=0)
    columns = [0] * max(10, min(width, 100))
    for t_ms, size in beats:
        columns[min(len(columns) - 1, t_ms * len(columns) // max(1, last))] += size
    most = max(columns) or 1
    return "".join(heights[(size * (len(heights) - 1)) // most] if size else " " for size in columns) + "|"


def _heights() -> str:
    try:
        _HEIGHTS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_HEIGHTS
    return _HEIGHTS


def _wrapped(text: str, width: int) -> list[str]:
    lines = [piece for line in text.splitlines() or [""] for piece in textwrap.wrap(line, max(20, width), drop_whitespace=False) or [""]]
    return lines or [""]


def _call(call: ToolCall) -> str:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
    return f"-> {call.name}({arguments})" + (f"  {call.id}" if call.id else "")


def _rule(rule: dict[str, Any]) -> str:
    conditions = (f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in rule.items() if name != "path")
    return f"{rule['path']} {' and '.join(conditions)}"


def _other_body(response: dict[str, Any]) -> str:
    if "blob" in response:
        return f"{response['blob']['media_type']} in {response['blob']['file']}"
    if "text" in response:
        return str(response["text"])
    if "json" in response:
        return json.dumps(response["json"], ensure_ascii=False)
    if "stream" in response:
        return f"a stream of {len(response['stream']['events'])} events that no known dialect speaks"
    return "no body"


def _brief(settings: dict[str, Any]) -> str:
    text = json.dumps(settings, ensure_ascii=False)[1:-1]
    return text if len(text) <= 300 else f"{text[:300]}..."


def _ms(t_ms: int | None) -> str:
    return "-" if t_ms is None else f"{t_ms} ms" if t_ms < 10_000 else f"{t_ms / 1000:.1f} s"


def _money(usd: float | None) -> str:
    return "" if usd is None else f"${usd:.4f}" if usd >= 0.01 else f"${usd:.7f}".rstrip("0")

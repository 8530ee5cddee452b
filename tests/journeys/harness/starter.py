"""The official starter, cloudflare/agents-starter: a clone of the public repository with its packages installed, which is not part of
this one. `$STARTER` names its folder, else build/starter is taken. To make one:

    git clone https://github.com/cloudflare/agents-starter build/starter && (cd build/starter && npm ci)

Its model answers from recordings that are written here."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.node import NodeError, NpmClient
from harness.server import CHECKOUT

MODEL = "@cf/moonshotai/kimi-k2.7-code"
_LABELS = "[...document.querySelectorAll('header span, header p')].map((one) => one.textContent)"
STATUS = f"{_LABELS}.find((text) => text === 'Connected' || text === 'Disconnected')"
IDLE = f"({STATUS}) === 'Connected' && document.querySelector(\"button[aria-label='Send message']\") !== null"
ANSWERS = "[...document.querySelectorAll('.sd-theme')].map((row) => row.textContent)"

# Writes down what the page shows from now on: every text of the last answer, every change of the connection.
WITNESS = f"""
window.seen = [];
window.statuses = [];
new MutationObserver(() => {{
  const said = {ANSWERS}.at(-1);
  if (said && said !== window.seen.at(-1)) window.seen.push(said);
  const status = {STATUS};
  if (status && status !== window.statuses.at(-1)) window.statuses.push(status);
}}).observe(document, {{ subtree: true, childList: true, characterData: true }});
"""


def folder() -> Path:
    """Where the starter is; skips the test when it is nowhere."""
    named = os.environ.get("STARTER")
    path = Path(named) if named else CHECKOUT / "build" / "starter"
    if not (path / "node_modules/vite").is_dir():
        pytest.skip(f"the official starter is not at {path}: clone it and run npm ci there (tests/journeys/harness/starter.py)")
    return path


def write_recordings(fixtures: Path, recordings: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]) -> None:
    """A cassette of hand-written recordings: by name, what the request must be like and the deltas of the answer, 30 ms apart."""
    cassette = fixtures / "ai" / "default"
    cassette.mkdir(parents=True)
    (cassette / "cassette.json").write_text(json.dumps({"format": 1, "name": "default"}))
    for name, (where, deltas) in recordings.items():
        rules = [{"path": "$.target", "equals": MODEL}, {"path": "$.body.stream", "equals": True}, *where]
        calls = any("tool_calls" in delta for delta in deltas)
        choices = [{"index": 0, "delta": delta} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"})
        events: list[dict[str, Any]] = [{"t": 30 * number, "json": {"choices": [choice]}} for number, choice in enumerate(choices, 1)]
        events.append({"t": events[-1]["t"] + 1, "text": "[DONE]"})
        body = {"messages": [{"role": "user", "content": name}], "stream": True}
        recording = {
            "format": 1,
            "id": name,
            "source": "manual",
            "match": {"repeat": "forever", "where": rules},
            "request": {"kind": "binding.run", "target": MODEL, "body": body},
            "response": {
                "status": 200,
                "headers": {"content-type": "text/event-stream"},
                "stream": {"framing": "sse", "events": events, "end": "complete"},
            },
        }
        (cassette / f"{name}.json").write_text(json.dumps(recording))


def says(text: str) -> list[dict[str, Any]]:
    """Deltas of an answer, word by word."""
    words = text.split(" ")
    return [{"content": word + (" " if number < len(words) else "")} for number, word in enumerate(words, 1)]


def calls(tool: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Deltas of a call of a tool."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return [{"tool_calls": [{"index": 0, "id": f"call_{tool}", "type": "function", "function": function}]}]


def when_asked(pattern: str) -> list[dict[str, Any]]:
    """The last message is the user's, and is like this."""
    return [{"path": "$.body.messages[-1].role", "equals": "user"}, {"path": "$.body.messages[-1].content", "regex": pattern}]


def after_tool(tool: str) -> list[dict[str, Any]]:
    """The last message is a tool's result."""
    return [{"path": "$.body.messages[-1].role", "equals": "tool"}, {"path": "$.body.messages[-1].name", "equals": tool}]


class StarterPage:
    """One tab with the starter's page."""

    def __init__(self, browser: NpmClient, label: str) -> None:
        self._browser = browser
        self._label = label

    async def until(self, expression: str) -> Any:
        """The value of the expression, once it is true."""
        return await self._browser.use("until", self._label, expression)

    async def evaluate(self, expression: str) -> Any:
        return await self._browser.use("evaluate", self._label, expression)

    async def click(self, selector: str) -> None:
        await self._browser.use("click", self._label, selector)

    async def reload(self) -> None:
        await self._browser.use("reload", self._label)
        await self.witness()

    async def witness(self) -> None:
        """Write down from now on what the page shows."""
        await self.evaluate(WITNESS)

    async def say(self, text: str) -> None:
        await self.until(IDLE)
        await self._browser.use("type", self._label, "textarea", text)
        await self._browser.use("press", self._label, "textarea", "Enter")

    async def shows(self, text: str) -> None:
        """Wait until the page says this somewhere."""
        await self.until(f"document.body.innerText.includes({json.dumps(text)})")

    async def answering(self, characters: int) -> None:
        """Wait until the last answer has so many characters and is not at its end."""
        await self.until(f"({ANSWERS}.at(-1) ?? '').length > {characters} && !({IDLE})")

    async def answered(self, *whole: str) -> None:
        """Wait until these are all the answers and none is arriving. The page shows the last words a moment after it is idle."""
        expected = f"({IDLE}) && JSON.stringify({ANSWERS}) === {json.dumps(json.dumps(whole, ensure_ascii=False, separators=(',', ':')))}"
        try:
            await self.until(expected)
        except (NodeError, TimeoutError):
            raise AssertionError(f"the page shows {await self.evaluate(ANSWERS)}, not {whole}") from None

    async def clear(self) -> None:
        await self.until(IDLE)
        await self.click("text=Clear")
        await self.shows("Start a conversation")


@asynccontextmanager
async def open_page(browser: NpmClient, origin: str, *, clear: bool = True) -> AsyncIterator[StarterPage]:
    """The page in a tab, connected; `clear` takes the messages of before away."""
    await browser.use("open", "starter", origin + "/")
    page = StarterPage(browser, "starter")
    try:
        await page.until(IDLE)
        await page.witness()
        if clear:
            await page.clear()
        yield page
    finally:
        await browser.use("shut", "starter")

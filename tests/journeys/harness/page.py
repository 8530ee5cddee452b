"""The page of a sample chat in a real Chromium, one object for each tab."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness.node import NpmClient
from harness.server import SAMPLES

INSTALL_BOUND_S = 600
ANSWERS = "[...document.querySelectorAll('.message.assistant')].map((row) => row.textContent)"
IDLE = "!document.querySelector('#send').hidden && document.querySelector('#connection').dataset.state === 'open'"


async def chromium() -> str:
    """Where Chromium is; Debian's is installed when there is none."""
    found = shutil.which("chromium")
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("no chromium here, and no right to install one: apt-get install chromium")
    for step in ("update", "install -y --no-install-recommends chromium"):
        process = await asyncio.create_subprocess_exec("apt-get", *step.split(), stdout=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(INSTALL_BOUND_S):
            if await process.wait():
                pytest.skip(f"apt-get {step.split()[0]} failed, so there is no chromium")
    return shutil.which("chromium") or pytest.skip("apt-get brought no chromium")


class Page:
    """One tab."""

    def __init__(self, browser: NpmClient, label: str) -> None:
        self._browser = browser
        self._label = label

    async def say(self, text: str) -> None:
        await self._browser.use("type", self._label, "#text", text)
        await self._browser.use("press", self._label, "#text", "Enter")

    async def until(self, expression: str) -> Any:
        """The value of the expression, once it is true."""
        return await self._browser.use("until", self._label, expression)

    async def evaluate(self, expression: str) -> Any:
        return await self._browser.use("evaluate", self._label, expression)

    async def click(self, selector: str) -> None:
        await self._browser.use("click", self._label, selector)

    async def reload(self) -> None:
        await self._browser.use("reload", self._label)

    async def answering(self, characters: int) -> str:
        """Wait until the answer has so many characters and still grows; what it says then."""
        said = f"(document.querySelector('.message.assistant.streaming')?.textContent ?? '').length > {characters}"
        await self.until(said)
        return (await self.evaluate(ANSWERS))[-1]

    async def answers(self) -> list[str]:
        """All answers, once none is arriving."""
        await self.until(IDLE)
        return await self.evaluate(ANSWERS)

    async def seen(self) -> list[str]:
        """Every text the last answer has shown since the page was loaded."""
        return await self.evaluate("window.seen")


OpenPage = Callable[..., Awaitable[Page]]


@asynccontextmanager
async def tabs(browser: NpmClient, origin: str, conversation: str) -> AsyncIterator[OpenPage]:
    """`await open_page("a")` opens the conversation in a tab called a; all are shut at the end, and none may have had an error."""
    opened = []

    async def open_page(label: str, other_origin: str | None = None) -> Page:
        await browser.use("open", label, f"{other_origin or origin}/#{conversation}")
        opened.append(label)
        tab = Page(browser, label)
        await tab.until(IDLE)
        return tab

    yield open_page
    for label in opened:
        await browser.use("shut", label)
    failures = await browser.use("failures")
    assert not failures, failures


def spoken_by_recording(sample: str, recording: str) -> str:
    """The text that a recorded stream of a sample's model says."""
    file = SAMPLES / sample / "fixtures" / "ai" / "default" / f"{recording}.json"
    events = json.loads(file.read_text("utf-8"))["response"]["stream"]["events"]
    return "".join(choice["delta"].get("content", "") for event in events if "json" in event for choice in event["json"]["choices"])


def grows(texts: list[str], whole: str) -> bool:
    """Each text continues the one before, and all of them begin the whole answer: nothing was said twice or left out."""
    return all(whole.startswith(text) for text in texts) and [len(text) for text in texts] == sorted({len(text) for text in texts})

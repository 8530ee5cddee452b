"""The page of chat_py in a real Chromium: chatting, reloading in mid-answer, losing the network, stopping, clearing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from harness.node import Node, NpmClient
from harness.server import SAMPLES, Server, serving
from harness.wire import wire_to

pytestmark = pytest.mark.browser

INSTALL_BOUND_S = 600
ANSWERS = "[...document.querySelectorAll('.message.assistant')].map((row) => row.textContent)"
IDLE = "!document.querySelector('#send').hidden && document.querySelector('#connection').dataset.state === 'open'"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(SAMPLES / "chat_py", tmp_path_factory.mktemp("browser"), "--ai-speed", "1x") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(node: Node) -> AsyncIterator[NpmClient]:
    async with node.browser(await chromium()) as browser:
        yield browser


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


@pytest.fixture(scope="module")
def answer() -> str:
    """What the recorded model says."""
    file = SAMPLES / "chat_py/fixtures/ai/default/00-binding.run-glm-4.7-flash-any.json"
    events = json.loads(file.read_text("utf-8"))["response"]["stream"]["events"]
    return "".join(choice["delta"].get("content", "") for event in events if "json" in event for choice in event["json"]["choices"])


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: NpmClient, server: Server, name: str) -> AsyncIterator[Callable]:
    """`await page("a")` opens the conversation of this test in a tab called a; all are shut at the end."""
    opened = []

    async def open_page(label: str, origin: str | None = None) -> Page:
        await browser.use("open", label, f"{origin or server.origin}/#{name}")
        opened.append(label)
        tab = Page(browser, label)
        await tab.until(IDLE)
        return tab

    yield open_page
    for label in opened:
        await browser.use("shut", label)
    assert await browser.use("failures") == []


class Page:
    """One tab."""

    def __init__(self, browser: NpmClient, label: str) -> None:
        self._browser = browser
        self._label = label

    async def say(self, text: str) -> None:
        await self._browser.use("type", self._label, "#text", text)
        await self._browser.use("press", self._label, "#text", "Enter")

    async def until(self, expression: str):
        return await self._browser.use("until", self._label, expression)

    async def evaluate(self, expression: str):
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


def grows(texts: list[str], whole: str) -> bool:
    """Each text continues the one before, and all of them begin the whole answer: nothing was said twice or left out."""
    return all(whole.startswith(text) for text in texts) and [len(text) for text in texts] == sorted({len(text) for text in texts})


async def test_an_answer_streams_into_the_page(page, answer):
    tab = await page("a")
    await tab.say("Tell me about yourself")
    await tab.answering(1)
    assert await tab.answers() == [answer]
    seen = await tab.seen()
    assert len(seen) > 20 and grows(seen, answer)
    assert await tab.evaluate("document.querySelector('.message.user').textContent") == "Tell me about yourself"


async def test_a_page_reloaded_in_mid_answer_gets_the_rest(page, answer):
    tab = await page("a")
    await tab.say("Tell me about yourself")
    await tab.answering(100)
    await tab.reload()
    assert await tab.answers() == [answer]
    seen = await tab.seen()
    assert len(seen) > 5, "the rest arrived piece by piece"
    assert grows(seen, answer)
    assert await tab.evaluate("document.querySelectorAll('.message').length") == 2


async def test_a_reload_after_the_answer_shows_the_conversation(page, answer):
    tab = await page("a")
    await tab.say("Hello")
    short = await tab.answers()
    await tab.say("Tell me more")
    await tab.answers()
    await tab.reload()
    await tab.until("document.querySelectorAll('.message').length === 4")
    assert await tab.answers() == [*short, answer]


async def test_a_lost_network_in_mid_answer(page, server, answer):
    async with wire_to(server.host) as wire:
        tab = await page("a", wire.origin)
        await tab.say("Tell me about yourself")
        await tab.answering(60)
        assert wire.cut() > 0
        await tab.until("document.querySelector('#connection').dataset.state !== 'open'")
        assert await tab.answers() == [answer]
        assert grows(await tab.seen(), answer)


async def test_two_tabs_of_one_conversation(page, answer):
    a, b = await page("a"), await page("b")
    await a.say("Tell me about yourself")
    await b.answering(1)
    c = await page("c")
    for tab in (a, b, c):
        assert await tab.answers() == [answer]
        assert grows(await tab.seen(), answer)
    await b.click("#clear")
    for tab in (a, b, c):
        await tab.until("document.querySelectorAll('.message').length === 0")


async def test_stop_keeps_what_was_said(page, answer):
    tab = await page("a")
    await tab.say("Tell me about yourself")
    await tab.answering(40)
    await tab.click("#stop")
    (partial,) = await tab.answers()
    assert 40 < len(partial) < len(answer) and answer.startswith(partial)
    await tab.say("Hello")
    assert len(await tab.answers()) == 2


async def test_the_page_survives_a_crash_of_the_agents(page, server):
    tab = await page("a")
    await tab.say("Tell me about yourself")
    await tab.answering(40)
    await server.control("POST", "hosts/python/crash")
    await tab.click("#stop")
    await tab.until(IDLE)
    await tab.say("Hello")
    assert (await tab.answers())[-1].startswith("Hello!")

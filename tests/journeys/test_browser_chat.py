"""The pages of chat_py and chat_ts in a real Chromium: chatting, reloading in mid-answer, losing the network, stopping, clearing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness import npm
from harness.node import NpmClient
from harness.page import IDLE, OpenPage, grows, spoken_by_recording, tabs
from harness.server import SAMPLES, Server, serving
from harness.wire import wire_to

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["chat_py", "chat_ts"])
def sample(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(sample: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    modules = npm.sample_modules() if sample == "chat_ts" else None
    async with serving(SAMPLES / sample, tmp_path_factory.mktemp("browser"), "--ai-speed", "1x", modules=modules) as server:
        yield server


@pytest.fixture(scope="module")
def answer(sample: str) -> str:
    """What the recorded model says."""
    return spoken_by_recording(sample, "00-binding.run-glm-4.7-flash-any")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: NpmClient, server: Server, name: str) -> AsyncIterator[OpenPage]:
    async with tabs(browser, server.origin, name) as open_page:
        yield open_page


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


async def test_the_page_survives_a_crash_of_the_agents(page, server, sample):
    tab = await page("a")
    await tab.say("Tell me about yourself")
    await tab.answering(40)
    await server.control("POST", f"hosts/{'node' if sample == 'chat_ts' else 'python'}/crash")
    await tab.click("#stop")
    await tab.until(IDLE)
    await tab.say("Hello")
    assert (await tab.answers())[-1].startswith("Hello!")

"""The page of chat_ts in a real Chromium: tools of the agent and of the page, consent in any tab, reminders, a reload at any time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness import npm
from harness.node import NpmClient
from harness.page import IDLE, OpenPage, Page, tabs
from harness.server import SAMPLES, Server, serving

pytestmark = pytest.mark.browser

TEXTS = "[...document.querySelectorAll('.message.assistant')].at(-1)?.lastChild?.textContent ?? ''"
ON_THE_WAY = "The postcard to Ada is on its way."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    arguments = ("--ai", "replay", "--ai-speed", "2x")
    async with serving(SAMPLES / "chat_ts", tmp_path_factory.mktemp("tools"), *arguments, modules=npm.sample_modules()) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: NpmClient, server: Server, name: str) -> AsyncIterator[OpenPage]:
    async with tabs(browser, server.origin, name) as open_page:
        yield open_page


def tool(name: str, state: str) -> str:
    """Whether the page shows a call of the tool in that state."""
    return f"document.querySelector('.tool[data-tool={name}][data-state={state}]') !== null"


async def says(tab: Page, text: str) -> None:
    """Wait until the last answer ends with this text and no other is arriving."""
    await tab.until(f"{IDLE} && ({TEXTS}).startsWith({text!r})")


async def test_a_tool_of_the_agent(page):
    tab = await page("a")
    await tab.say("What does the moon look like?")
    await says(tab, "That is the phase of today")
    assert await tab.evaluate(tool("moonPhase", "output-available"))


async def test_a_tool_of_the_page(page):
    a, b = await page("a"), await page("b")
    await a.say("Where am I?")
    for tab in (a, b):
        await says(tab, "Your browser told me")
        assert await tab.evaluate(tool("whereAmI", "output-available"))
        zone = await tab.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
        assert zone in await tab.evaluate("document.querySelector('.tool').textContent")
        assert await tab.evaluate("document.querySelectorAll('.message').length") == 2


async def test_consent_is_given_in_another_tab_after_a_reload(page):
    a, b = await page("a"), await page("b")
    await a.say("Send a postcard to Ada")
    await a.until(tool("sendPostcard", "approval-requested"))
    assert await a.evaluate("document.querySelectorAll('#desk .postcard').length") == 0
    await a.reload()
    for tab in (a, b):
        await tab.until(tool("sendPostcard", "approval-requested"))
    await b.click(".tool .yes")
    for tab in (a, b):
        await says(tab, ON_THE_WAY)
        await tab.until("document.querySelectorAll('#desk .postcard').length === 1")


async def test_consent_is_refused(page):
    tab = await page("a")
    await tab.say("Send a postcard to Ada")
    await tab.until(tool("sendPostcard", "approval-requested"))
    await tab.click(".tool .no")
    await says(tab, "Then I keep the postcard")
    assert await tab.evaluate(tool("sendPostcard", "output-denied"))
    assert await tab.evaluate("document.querySelectorAll('#desk .postcard').length") == 0


@pytest.mark.parametrize("blow", ["hibernate", "crash"])
async def test_consent_outlives_the_agent_that_asked_for_it(page, server: Server, name, blow):
    tab = await page("a")
    await tab.say("Send a postcard to Ada")
    await tab.until(f"{tool('sendPostcard', 'approval-requested')} && {IDLE}")
    if blow == "crash":
        await server.crash_host("node")
    else:
        await server.control("POST", f"objects/Chat/{name}/hibernate")
    await tab.click(".tool .yes")
    await says(tab, ON_THE_WAY)


async def test_a_page_reloaded_while_it_is_asked_where_it_is(page):
    tab = await page("a")
    await tab.say("Where am I?")
    await tab.until("document.querySelector('.tool') !== null")
    await tab.reload()
    await says(tab, "Your browser told me")


async def test_a_reminder_rings_on_the_page_and_stays_after_a_reload(page):
    tab = await page("a")
    await tab.say("Remind me of my tea")
    await tab.until("document.querySelector('#desk .reminder.rung') !== null")
    await says(tab, "I shall ring")
    await tab.reload()
    await tab.until("document.querySelector('#desk .reminder.rung') !== null")
    await tab.until(IDLE)
    await tab.say("Forget my tea")
    await tab.until("document.querySelector('#desk .reminder') === null")

"""The official starter, unmodified: its page from its own Vite, its agent on our host, in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness import starter
from harness.node import NpmClient
from harness.page import grows
from harness.server import Server, serving
from harness.starter import StarterPage, after_tool, calls, says, when_asked
from harness.waiting import eventually
from harness.wire import wire_to

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONG = " ".join(f"This is sentence {number} of a long answer that takes a while." for number in range(1, 16))
THE_END = " And so it ends."
REMINDER = {"description": "drink some tea", "when": {"type": "delayed", "delayInSeconds": 2}}
RECORDINGS = {
    "long": (when_asked("(?i)long story"), says(LONG)),
    "long-continued": ([{"path": "$.body.messages[-1].role", "equals": "assistant"}], says(THE_END)),
    "hello": (when_asked("(?i)^.{0,40}hello"), says("Hello to you too.")),
    "weather": (when_asked("(?i)weather"), calls("getWeather", {"city": "Paris"})),
    "weather-result": (after_tool("getWeather"), says("So much for the weather.")),
    "timezone": (when_asked("(?i)timezone"), calls("getUserTimezone", {})),
    "timezone-result": (after_tool("getUserTimezone"), says("That is where you are.")),
    "calculate": (when_asked("(?i)calculate"), calls("calculate", {"a": 5000, "b": 3, "operator": "*"})),
    "calculate-result": (after_tool("calculate"), says("The sum is done.")),
    "reminder": (when_asked("(?i)remind"), calls("scheduleTask", REMINDER)),
    "reminder-result": (after_tool("scheduleTask"), says("I shall remind you.")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    source = starter.folder()
    folder = tmp_path_factory.mktemp("starter")
    starter.write_recordings(folder / "fixtures", RECORDINGS)
    arguments = ("--ai-speed", "1x", "--fixtures", str(folder / "fixtures"))
    async with serving(source, folder, *arguments, modules=source / "node_modules") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: NpmClient, server: Server) -> AsyncIterator[StarterPage]:
    async with starter.open_page(browser, server.origin) as page:
        yield page
    assert await browser.use("failures") == []


async def test_an_answer_streams_into_the_page(page):
    await page.say("Tell me a long story")
    await page.answering(10)
    await page.answered(LONG)
    seen = await page.evaluate("window.seen")
    assert len(seen) > 5 and grows(seen, LONG)
    # Its plugins are at work: Tailwind's classes have an effect.
    assert await page.evaluate("getComputedStyle(document.querySelector('header')).paddingLeft") == "20px"


async def test_tools(page):
    await page.click("text=What's the weather in Paris?")
    await page.shows("getWeather")
    await page.answered("So much for the weather.")
    assert '"city": "Paris"' in await page.evaluate("document.body.innerText")
    # One that the browser runs.
    await page.say("What timezone am I in?")
    await page.answered("So much for the weather.", "That is where you are.")
    await page.shows('"timezone"')


async def test_approval(page):
    await page.say("Calculate 5000 * 3")
    await page.shows("Approval needed: calculate")
    await page.click("text=Approve")
    await page.shows('"result": 15000')
    await page.answered("The sum is done.")
    await page.say("Calculate it again")
    await page.shows("Approval needed: calculate")
    await page.click("text=Reject")
    await page.shows("Rejected")


async def test_a_schedule_rings(page):
    await page.say("Remind me in 2 seconds to drink some tea")
    await page.answered("I shall remind you.")
    await page.shows("Scheduled task completed")
    await page.shows("drink some tea")


async def test_a_lost_network_in_mid_answer(browser, server):
    async with wire_to(server.host) as wire, starter.open_page(browser, wire.origin) as page:
        await page.say("Tell me a long story")
        await page.answering(60)
        assert wire.cut() > 0
        await page.until("window.statuses.includes('Disconnected')")
        await page.answered(LONG)
        assert grows(await page.evaluate("window.seen"), LONG)


async def test_a_page_reloaded_in_mid_answer_gets_the_rest(page):
    await page.say("Tell me a long story")
    await page.answering(60)
    await page.reload()
    await page.answered(LONG)


async def test_a_hibernated_agent_goes_on(page, server):
    await page.say("Hello")
    await page.answered("Hello to you too.")
    before = await _generation(server)
    await server.control("POST", "objects/ChatAgent/default/hibernate")
    await page.say("Hello again")
    await page.answered("Hello to you too.", "Hello to you too.")
    assert await _generation(server) == before + 1
    assert "Disconnected" not in await page.evaluate("window.statuses")


async def test_an_answer_that_ended_while_nobody_was_there(browser, server):
    async with starter.open_page(browser, server.origin) as page:
        await page.say("Tell me a long story")
        await page.answering(60)
    # Quiet is when the answer is whole; then the instance goes.
    assert (await server.control("POST", "objects/ChatAgent/default/evict"))["evicted"] is True
    async with starter.open_page(browser, server.origin, clear=False) as page:
        await page.answered(LONG)


async def test_an_agent_that_is_reset_in_mid_answer(page, server):
    await page.say("Tell me a long story")
    await page.answering(60)
    await server.control("POST", "objects/ChatAgent/default/abort")
    # The SDK has the model go on where the answer broke off.
    await page.until(f"{starter.ANSWERS}.at(-1)?.endsWith({THE_END!r})")
    answer = (await page.evaluate(starter.ANSWERS))[-1]
    said = answer.removesuffix(THE_END)
    assert len(said) > 60 and LONG.startswith(said)
    assert "Disconnected" in await page.evaluate("window.statuses")
    await page.say("Hello")
    await page.answered(answer, "Hello to you too.")


async def test_a_crash_in_mid_answer_and_a_page_that_stays_connected(page, server):
    """The agent takes its answer up under another request, and the page shows it. The page still waits for the end of the request that it
    made, which nobody can tell it any more, until Stop."""
    await page.say("Tell me a long story")
    await page.answering(60)
    await server.control("POST", "hosts/node/crash")
    await server.get("/agents/chat-agent/default/get-messages")  # any event; else the SDK's alarm, after up to 30 s
    await page.until(f"{starter.ANSWERS}.at(-1)?.endsWith({THE_END!r})")
    assert "Disconnected" not in await page.evaluate("window.statuses")
    await page.click("button[aria-label='Stop generation']")
    await page.until(starter.IDLE)
    await page.say("Hello")
    await page.until(f"({starter.IDLE}) && {starter.ANSWERS}.at(-1) === 'Hello to you too.'")


async def test_a_crash_in_mid_answer_as_in_production(browser, tmp_path):
    """Without its socket the page connects again, which wakes the agent; it shows the rest and is done."""
    source = starter.folder()
    starter.write_recordings(tmp_path / "fixtures", RECORDINGS)
    arguments = ("--ai-speed", "1x", "--fixtures", str(tmp_path / "fixtures"), "--reload", "close")
    async with (
        serving(source, tmp_path, *arguments, modules=source / "node_modules") as server,
        starter.open_page(browser, server.origin) as page,
    ):
        await page.say("Tell me a long story")
        await page.answering(60)
        await server.control("POST", "hosts/node/crash")
        await page.until("window.statuses.includes('Disconnected')")
        await page.until(f"({starter.IDLE}) && {starter.ANSWERS}.at(-1)?.endsWith({THE_END!r})")
        await page.say("Hello")
        await page.until(f"({starter.IDLE}) && {starter.ANSWERS}.at(-1) === 'Hello to you too.'")


async def test_hot_module_reload_of_the_page(page, server):
    before = await _generation(server)
    app = server.folder / "src/app.tsx"
    original = app.read_text()
    app.write_text(original.replace("Agent Starter", "Agent Finisher"))
    try:
        await page.shows("Agent Finisher")
        assert await page.evaluate("Array.isArray(window.seen)"), "the page was not loaded anew"
    finally:
        app.write_text(original)
    await page.shows("Agent Starter")
    style = server.folder / "src/styles.css"
    plain = style.read_text()
    style.write_text(plain + "\nheader { outline: 3px solid rgb(1, 2, 3) }\n")
    try:
        await page.until("getComputedStyle(document.querySelector('header')).outlineColor === 'rgb(1, 2, 3)'")
    finally:
        style.write_text(plain)
    # What only the page is made of is no new code for the agents.
    assert await _generation(server) == before


async def test_new_code_of_the_agent_keeps_the_socket(page, server):
    code = server.folder / "src/server.ts"
    original = code.read_text()
    assert await server.get("/oauth/nothing") == (404, "Not found")
    code.write_text(original.replace('"Not found"', '"Nothing here"'))
    try:
        await eventually(lambda: _answers(server, "Nothing here"))
        await page.say("Hello")
        await page.answered("Hello to you too.")
        assert await page.evaluate("window.statuses.includes('Disconnected')") is False
    finally:
        code.write_text(original)


async def test_no_file_of_the_project_has_changed(server):
    def files(folder: Path) -> dict[str, bytes]:
        found = ((path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file())
        ours = {".agents-emu", ".wrangler", "node_modules", ".git"}
        return {str(name): path.read_bytes() for name, path in found if not ours & set(name.parts)}

    assert files(server.folder) == files(starter.folder())


async def _answers(server: Server, text: str) -> bool:
    return await server.get("/oauth/nothing") == (404, text)


async def _generation(server: Server) -> int:
    rows = (await server.control("GET", "objects"))["objects"]
    return next(row["generation"] for row in rows if row["class"] == "ChatAgent" and row["name"] == "default")

"""What real clients make of a model that fails: the fault matrix (ai-binding.md 2.3), and what the failures do to agents (2.4).

The project's `fixtures/ai/faults.json` has one fault for each row; a call picks its own by a label. The clients are those of the samples.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from harness import npm, seed
from harness.frames import connect, is_type
from harness.server import PROJECTS, SAMPLES, Server, serving
from harness.waiting import eventually
from test_journey_seed import project

from emulator.gateway.ai.faults.error_codes import CODES

PROJECT = PROJECTS / "model_faults"
FAULTS = json.loads((PROJECT / "fixtures" / "ai" / "faults.json").read_text("utf-8"))
CLIENTS = ("workers-ai", "chat", "responses", "openai-node")
WHOLE, HALF, LITTLE = "one two three", "one two ", "one "
GLM = "@cf/zai-org/glm-4.7-flash"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The project, replaying at once."""
    folder = tmp_path_factory.mktemp("model_faults")
    async with serving(PROJECT, folder, "--ai", "replay", "--ai-speed", "instant", "--seed", "7", modules=npm.sample_modules()) as server:
        yield server


def ended(text: str, finish: str | None = "stop", raw: str | None = None, *errors: str, thrown: str | None = None) -> dict[str, Any]:
    """An outcome: text, why it finished (in the SDK's words and in the model's), parts of kind error, what was thrown."""
    return {"text": text, "finish": finish, "raw": raw, "errors": list(errors), "thrown": thrown}


DROPPED = "AI_APICallError: Failed to process successful response"
LOST = "Error: Network connection lost."

MATRIX: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "none": (ended(WHOLE, raw="stop"), ended(WHOLE, raw="stop"), ended(WHOLE), ended(WHOLE)),
    "eof": (ended(HALF, "error", "stream-truncated"), ended(HALF, "interrupted"), ended(LITTLE, "interrupted"), ended(HALF, None)),
    "dropped": (
        ended(HALF, None, thrown=LOST),
        ended(HALF, None, thrown=DROPPED),
        ended(LITTLE, None, thrown=DROPPED),
        ended(HALF, None, thrown=LOST),
    ),
    "malformed": (
        ended("one three", "stop", "stop"),
        ended("one three", "stop", "stop", "AI_JSONParseError"),
        ended("two three", "error", None, "AI_JSONParseError"),
        ended(LITTLE, None, thrown="SyntaxError"),
    ),
    "error": (
        ended(HALF, "error", "stream-truncated"),
        ended(HALF, "error", None, "AI_StreamProviderError"),
        ended(LITTLE, "error", "error", "AI_StreamProviderError"),
        ended(HALF, None, thrown="APIError"),
    ),
    "busy": (
        ended("", None, None, "AI_APICallError 429, again: 3040: "),
        ended("", None, None, "AI_APICallError 429, again"),
        ended("", None, None, "AI_APICallError 429, again"),
        ended("", None, thrown="RateLimitError 429"),
    ),
    "broken": (
        ended("", None, None, "AI_APICallError: 500: "),
        ended("", None, None, "AI_APICallError 500, again"),
        ended("", None, None, "AI_APICallError 500, again"),
        ended("", None, thrown="InternalServerError 500"),
    ),
    "mislabelled": (ended("", None, None, "AI_APICallError: Unexpected token"), ended(WHOLE, raw="stop"), ended(WHOLE), ended(WHOLE)),
    "empty": (ended("", raw="stop"), ended("", "interrupted"), ended("", "interrupted"), ended("", None)),
    "twice": (ended(WHOLE, raw="stop"), ended(WHOLE, raw="stop"), ended(WHOLE), ended(WHOLE)),
}
"""By fault and client. A failure begins as it is written here; `again` says that the SDK would try again."""


def test_every_row_of_the_table_has_its_fault():
    assert [fault["name"] for fault in FAULTS] == [name for name in MATRIX if name != "none"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", MATRIX)
async def test_the_fault_matrix(server: Server, fault, client):
    status, outcome = await server.get(f"/ask/{client}?label={fault}")
    assert status == 200, outcome
    expected = MATRIX[fault][CLIENTS.index(client)]
    told = {"finish": None, "raw": None, **outcome}
    told["errors"] = [shortened(error, begin) for error, begin in zip(outcome["errors"], [*expected["errors"], ""], strict=False)]
    told["thrown"] = shortened(outcome["thrown"], expected["thrown"] or "") if "thrown" in outcome else None
    assert told == expected


def shortened(failure: dict[str, Any], expected: str) -> str:
    """A failure as the table writes it: what was expected, if it begins so."""
    status = failure.get("status", 0)
    shown = (f" {status}" if status >= 400 else "") + (", again" if failure.get("retryable") else "")
    whole = f"{failure['name']}{shown}: {failure['message']}"
    return expected if expected and whole.startswith(expected) else whole


async def test_every_code_is_what_the_binding_throws(server: Server):
    """A8, through the whole emulator; the table of names and words is tests/gateway/ai/test_ai_error_codes.py."""
    for code in CODES:
        await server.control("POST", "ai/faults", json={"when": {"label": f"code-{code.number}"}, "do": {"code": code.number}})
    try:
        for code in CODES:
            _, thrown = await server.get(f"/run?label=code-{code.number}")
            message = code.message(GLM)
            assert thrown["status"] == code.status
            assert thrown["name"] == ("AiGatewayError" if code.gateway else "InferenceUpstreamError")
            assert thrown["message"].startswith(
                f"{code.number}: {message}" if code.gateway else f"{code.number}: AiError: AiError: {message} ("
            )
    finally:
        await server.control("DELETE", "ai/faults")


async def test_a_fault_meets_agents_in_python_too(session: aiohttp.ClientSession, tmp_path: Path):
    async with serving(SAMPLES / "ws_stream_py", tmp_path, "--ai", "replay", "--ai-speed", "instant") as server:
        for do, said in (
            ({"code": "account_limited"}, "InferenceUpstreamError: 3036: AiError: AiError: You have used up your daily free allocation"),
            ({"code": "rate_limited"}, "AiGatewayError: 2003: Rate limited"),
            ({"refuse": True}, "Network connection lost."),
            ({"reset_after_events": 3, "gap_ms": 20}, "Network connection lost."),
        ):
            await server.control("POST", "ai/faults", json={"do": do})
            socket = await connect(session, server.origin, "/agents/reasoner/me")
            await socket.send({"prompt": "Why is the sky blue?"})
            frames = await socket.until(lambda frame: is_type(frame, "done", "error"))
            assert said in frames[-1].get("error", ""), frames[-1]
            await server.control("DELETE", "ai/faults")


async def test_a_chaos_run_is_repeated_from_its_seed(server: Server):
    """A new session counts from the beginning, and the same seed then meets the same calls."""
    chaos = {"name": "chaos", "when": {"label": "chaos", "probability": 0.4}, "do": {"code": "timeout"}}
    assert await server.control("POST", "ai/faults", json=chaos) == {"added": "chaos", "seed": 7}
    try:
        runs = []
        for _ in range(2):
            await server.control("POST", "ai/session", json={"mode": "replay"})
            failed = ["name" in (await server.get("/run?label=chaos"))[1] for _ in range(15)]
            hits = [firing["n"] for firing in (await server.control("GET", "ai/faults"))["firings"]]
            assert hits == [n for n, fails in enumerate(failed, 1) if fails]
            runs.append(hits)
    finally:
        await server.control("DELETE", "ai/faults/chaos")
    assert runs[0] == runs[1]
    assert 0 < len(runs[0]) < 15


async def test_a_change_of_the_file_acts_at_the_next_call(server: Server):
    file = server.folder / "fixtures" / "ai" / "faults.json"
    before = file.read_text("utf-8")
    try:
        file.write_text(json.dumps([*FAULTS, {"name": "new", "when": {"label": "new", "nth": 2}, "do": {"code": "aborted"}}]), "utf-8")
        told = [(await server.get("/run?label=new"))[1] for _ in range(3)]
        assert ["name" in answer for answer in told] == [False, True, False]
        file.write_text('[{"do": {"status": 42}}]', "utf-8")
        assert "name" not in (await server.get("/run?label=new"))[1]
        (error,) = (await server.control("GET", "ai/faults"))["errors"]
        assert (error["code"], error["where"]) == ("E522", f"{file} $[0].do.status")
        assert "E522" in server.output()
    finally:
        file.write_text(before, "utf-8")


async def test_a_broken_run_is_resumed_without_a_gap_or_a_repetition(server: Server):
    """A20, with the provider's own client of AI Gateway."""
    torn = {"name": "torn", "when": {"label": "torn"}, "do": {"reset_after_events": 3, "gap_ms": 20}}
    expired = {"name": "expired", "when": {"label": "expired"}, "do": {"reset_after_events": 3, "gap_ms": 20, "resume_expired": True}}
    try:
        for fault in (torn, expired):
            await server.control("POST", "ai/faults", json=fault)
        for label in ("none", "torn"):
            _, outcome = await server.get(f"/ask/resumable?label={label}")
            assert outcome == {"text": WHOLE, "errors": [], "finish": "stop", "raw": "stop"}, label
        _, outcome = await server.get("/ask/resumable?label=expired")
        assert (outcome["text"], outcome["thrown"]["cause"]) == (HALF, "GatewayDelegateError")
        assert [firing["fault"] for firing in (await server.control("GET", "ai/faults"))["firings"]][-2:] == ["torn", "expired"]
    finally:
        await server.control("DELETE", "ai/faults")


async def test_a_connection_that_is_refused(server: Server):
    await server.control("POST", "ai/faults", json={"name": "refused", "when": {"label": "refused"}, "do": {"refuse": True}})
    try:
        assert (await server.get("/run?label=refused"))[1]["message"] == "Network connection lost."
        (failure,) = (await server.get("/ask/workers-ai?label=refused"))[1]["errors"]
        assert (failure["name"], failure["message"]) == ("AI_APICallError", "Network connection lost.")
        thrown = (await server.get("/ask/openai-node?label=refused"))[1]["thrown"]
        assert (thrown["name"], thrown["message"]) == ("APIConnectionError", "Connection error.")
    finally:
        await server.control("DELETE", "ai/faults/refused")


async def test_a_stall_ends_with_the_caller_and_does_not_hold_up_the_end(session: aiohttp.ClientSession, tmp_path: Path):
    async with serving(PROJECT, tmp_path, "--ai", "replay", "--ai-speed", "instant", modules=npm.sample_modules()) as server:
        stalled = {"name": "stalled", "when": {"label": "stalled"}, "do": {"stall_after_events": 3}}
        await server.control("POST", "ai/faults", json=stalled)
        asked = [asyncio.create_task(session.get(f"{server.origin}/ask/{client}?label=stalled")) for client in CLIENTS]

        async def all_stalled() -> bool:
            return len((await server.control("GET", "ai/faults"))["firings"]) == len(CLIENTS)

        await eventually(all_stalled)
        assert (await server.get("/ask/chat?label=none"))[1]["text"] == WHOLE, "others are not held up"
        assert not any(task.done() for task in asked)
        await server.stop()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(outcome, aiohttp.ClientError) or outcome.status >= 500 for outcome in outcomes)


# -- what failures do to agents


@asynccontextmanager
async def raw_seed(folder: Path, speed: str, *faults: dict[str, Any]) -> AsyncIterator[Server]:
    """The document's `streamText` over a WebSocket, as it is printed, with these faults."""
    source = project(folder / "source", seed.samples(seed.document().read_text("utf-8"))["websocket-ts"])
    (source / "fixtures" / "ai" / "faults.json").write_text(json.dumps(faults), "utf-8")
    async with serving(source, folder, "--ai-speed", speed, modules=npm.sample_modules()) as server:
        yield server


async def test_the_seed_example_says_done_when_the_model_has_no_capacity(session: aiohttp.ClientSession, tmp_path: Path):
    """Three calls, 2 and 4 s apart (`retry-after-ms` does not reach the binding's client), then an error that only the console sees."""
    fault = {"name": "no-capacity", "when": {"target": GLM}, "do": {"code": 3040, "retry_after_ms": 50}}
    async with raw_seed(tmp_path, "instant", fault) as server:
        socket = await connect(session, server.origin, "/agents/my-agent/me")
        await socket.send({"prompt": "Why is the sky blue?"})
        frames = [
            frame for frame in await socket.until(lambda frame: is_type(frame, "done", "error")) if is_type(frame, "chunk", "done", "error")
        ]
        assert frames == [{"type": "done"}]
        assert [firing["n"] for firing in (await server.control("GET", "ai/faults"))["firings"]] == [1, 2, 3]
        (failure,) = (await server.control("GET", "ai/session"))["summary"]["failures"]
        told = {name: failure[name] for name in ("model", "status", "code", "attempts", "on_purpose")}
        assert told == {"model": GLM, "status": 429, "code": "3040", "attempts": 3, "on_purpose": True}
        line = f"model call {GLM} failed: 429, code 3040, attempt 3 (fault no-capacity)"
        assert line in server.output()


async def test_the_seed_example_ends_when_its_client_leaves(session: aiohttp.ClientSession, tmp_path: Path):
    async with raw_seed(tmp_path, "1x") as server:
        socket = await connect(session, server.origin, "/agents/my-agent/me")
        await socket.send({"prompt": "Why is the sky blue?"})
        await socket.until(lambda frame: is_type(frame, "chunk"))
        await socket.close()

        async def told() -> bool:
            return "Can't call WebSocket send() after close()." in server.output()

        await eventually(told)


async def test_an_agent_that_guards_its_sends_outlives_its_client(session: aiohttp.ClientSession, tmp_path: Path):
    """A9: a recording of five minutes, at 400 times its speed."""
    async with serving(PROJECT, tmp_path, "--ai", "replay", "--ai-speed", "400x", modules=npm.sample_modules()) as server:
        socket = await connect(session, server.origin, "/agents/careful/me")
        await socket.send({"prompt": "Talk for five minutes."})
        await socket.until(lambda frame: is_type(frame, "chunk") and "150" in frame["content"])
        socket.reset()

        async def whole() -> Any:
            _, state = await server.get("/agents/careful/me")
            return state if state["done"] else None

        state = await eventually(whole)
        assert state["text"] == "".join(f"word {number:03} " for number in range(300))
        back = await connect(session, server.origin, "/agents/careful/me")
        frames = await back.until(lambda frame: is_type(frame, "cf_agent_state"))
        assert frames[-1]["state"] == state
        (call,) = (await server.control("GET", "ai/calls"))["calls"]
        assert call["problem"] is None

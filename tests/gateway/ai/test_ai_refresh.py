"""Recording anew by sending stored requests again: what is replaced, what stays, and what cannot be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emulator.config import AiMode
from emulator.errors import EmuError
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.recorder.recorder import Recorder
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.refresh import Refresher
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response
from emulator.gateway.failures import NetworkFailure

MODEL = "@cf/test/model"
OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)


class Backend:
    """Answers by prompt; what it does not know it refuses."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[ModelRequest] = []

    async def __call__(self, asked: ModelRequest) -> Reply:
        self.asked.append(asked)
        answer = self.answers.get(str(asked.body.get("prompt")))
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            body = json.dumps({"errors": [{"code": 5007, "message": "no such model"}], "success": False}).encode()
            return Reply(Response(400, [("content-type", "application/json")], body), Source.BACKEND)
        if answer == "no key":
            return Reply(Response(401, [("content-type", "application/json")], b"{}"), Source.BACKEND)
        if answer == "stub":
            return Reply(Response(200, [("content-type", "application/json")], b"{}"), Source.STUB)
        if isinstance(answer, list):
            return Reply(Response(200, [("content-type", "text/event-stream")], _stream(answer)), Source.BACKEND)
        return Reply(Response(200, [("content-type", "application/json")], json.dumps(answer).encode()), Source.BACKEND)


async def _stream(texts: list[str]):
    for text in texts:
        yield f"data: {text}\n\n".encode()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.backend, self.max_age_days = folder, Backend(), 90

    def recorder(self, report: Callable[[EmuError], None], folder: Path | None = None, now: datetime = NEW) -> Recorder:
        redaction = Redaction(lambda: {"KEY": "s3cret-value"})
        return Recorder(folder or self.folder, redaction, now=lambda: now, now_ms=lambda: 0.0, report=report)

    async def record(self, *prompts: str, cassette: str = "default", **answers: Any) -> None:
        """As a session of long ago recorded them."""
        recorder = self.recorder(print, now=OLD)
        recorder.begin(AiMode.NEW)
        for prompt in prompts:
            self.backend.answers[prompt] = answers.get(prompt, {"response": prompt})
            asked = ModelRequest(Kind.RUN, MODEL, {"prompt": prompt})
            reply = recorder.tap(asked, await self.backend(asked), cassette=cassette, t0_ms=0.0)
            if not isinstance(reply.response.body, bytes):
                async for _ in reply.response.body:
                    pass
        recorder.commit()
        recorder.close()
        self.backend.asked.clear()

    def refresher(self, library: Library) -> Refresher:
        return Refresher(library, self.backend, self.recorder, self.max_age_days, lambda: 0.0, lambda: NEW)

    async def preview(self, prompt: str) -> dict[str, Any]:
        library = Library([self.folder], recheck_ms=0)
        name = next(one.name for one in library.shelf().recordings if one.request.body["prompt"] == prompt)
        return await self.refresher(library).preview(name)

    async def refresh(self, pattern: str = "*", *, stale: bool = False) -> dict[str, tuple[str, str]]:
        library = Library([self.folder], recheck_ms=0)
        rows = await self.refresher(library).refresh(pattern, stale=stale)
        by_name = {one.name: one for one in library.shelf().recordings}
        return {by_name[row["recording"]].request.body["prompt"]: (row["outcome"], row["why"]) for row in rows}

    def documents(self, cassette: str = "default") -> dict[str, Any]:
        files = (self.folder / "ai" / cassette).glob("[0-9]*.json")
        documents = [json.loads(file.read_text()) for file in files]
        return {document["request"]["body"]["prompt"]: document for document in documents}


@pytest.fixture
def bench(tmp_path: Path) -> Callable[[], Bench]:
    return Bench(tmp_path / "fixtures")  # type: ignore[return-value]


async def test_what_changed_is_replaced_and_the_rest_stays(bench: Any) -> None:
    await bench.record("a", "b", "c")
    before = bench.documents()
    bench.backend.answers |= {"a": {"response": "new"}, "b": {"response": "b"}}
    del bench.backend.answers["c"]
    assert await bench.refresh() == {"a": ("recorded", ""), "b": ("unchanged", ""), "c": ("failed", "answered 400: no such model")}
    after = bench.documents()
    assert {prompt: after[prompt]["response"]["json"] for prompt in after} == {
        "a": {"response": "new"},
        "b": {"response": "b"},
        "c": {"response": "c"},
    }
    assert {prompt: after[prompt]["id"] for prompt in after} == {prompt: before[prompt]["id"] for prompt in before}
    assert {prompt: after[prompt]["recorded"]["at"][:10] for prompt in after} == {"a": "2026-11-22", "b": "2026-11-22", "c": "2026-01-01"}
    assert Library([bench.folder], recheck_ms=0).shelf().broken == ()


async def test_only_what_is_named_or_stale(bench: Any) -> None:
    await bench.record("a", "b")
    await bench.record("c", cassette="other")
    assert set(await bench.refresh("other/*")) == {"c"}
    assert set(await bench.refresh("none/*")) == set()
    bench.max_age_days = 400
    assert set(await bench.refresh(stale=True)) == set()
    bench.max_age_days = 90
    assert set(await bench.refresh("default/*", stale=True)) == {"a", "b"}
    assert set(await bench.refresh(stale=True)) == set(), "what came back as it was is fresh again"
    (named,) = [document["id"] for prompt, document in bench.documents().items() if prompt == "a"]
    assert set(await bench.refresh(named)) == {"a"}
    assert [asked.body["prompt"] for asked in bench.backend.asked] == ["c", "a", "b", "a"]
    assert set(bench.documents()) == {"a", "b"}, "neighbours stay"


async def test_answers_to_one_request_stay_in_order(bench: Any) -> None:
    await bench.record("a", "a", a={"response": "first"})
    bench.backend.answers["a"] = {"response": "now"}
    library = Library([bench.folder], recheck_ms=0)
    second = next(one for one in library.shelf().recordings if one.id.startswith("01-"))
    await bench.refresh(second.name)
    answers = {one.id[:2]: one.response["json"]["response"] for one in Library([bench.folder], recheck_ms=0).shelf().recordings}
    assert answers == {"00": "first", "01": "now"}


async def test_streams(bench: Any) -> None:
    await bench.record("a", a=['{"response":"x"}', "[DONE]"])
    bench.backend.answers["a"] = ['{"response":"y"}', "[DONE]"]
    assert await bench.refresh() == {"a": ("recorded", "")}
    assert bench.documents()["a"]["response"]["stream"]["events"][0]["json"] == {"response": "y"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source": "manual"}, "written by hand"),
        ({"notes": "mine"}, "edited by hand"),
    ],
)
async def test_what_people_wrote_stays(bench: Any, change: Any, why: str) -> None:
    await bench.record("a")
    (file,) = (bench.folder / "ai" / "default").glob("[0-9]*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    before = file.read_bytes()
    ((outcome, words),) = (await bench.refresh()).values()
    assert (outcome, why in words, file.read_bytes() == before, bench.backend.asked) == ("skipped", True, True, [])


async def test_what_was_redacted_cannot_be_sent(bench: Any) -> None:
    await bench.record("the key is s3cret-value")
    assert list((await bench.refresh()).values()) == [("skipped", "its request was redacted: record it by a test")]
    assert bench.backend.asked == []


@pytest.mark.parametrize("kind", ["http", "gateway.http", "gateway.universal", "binding.stream-input"])
async def test_what_needs_user_codes_own_request(bench: Any, cassettes: Any, kind: str) -> None:
    await bench.record("a")
    recording = bench.documents()["a"]
    recording["request"] |= {"kind": kind, "target": "POST https://api.example/"}
    from emulator.gateway.ai.cassettes.cassette_files import recording_text, sealed

    (file,) = (bench.folder / "ai" / "default").glob("[0-9]*.json")
    file.write_bytes(recording_text(sealed(recording)))
    (((outcome, why)),) = (await bench.refresh()).values()
    assert (outcome, "by a test" in why, bench.backend.asked) == ("skipped", True, [])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NetworkFailure.refused("cannot connect", "x"), "cannot connect"),
        ("stub", "no backend answers for @cf/test/model"),
        ({"response": "sk-proj-" + "Ab1" * 16}, "secret"),
    ],
)
async def test_what_fails_leaves_the_recording(bench: Any, answer: Any, why: str) -> None:
    await bench.record("a", "b")
    bench.backend.answers["a"] = answer
    before = bench.documents()
    outcomes = await bench.refresh("*")
    assert outcomes["a"][0] == "failed" and why in outcomes["a"][1]
    assert (outcomes["b"][0], bench.documents()["a"] == before["a"]) == ("unchanged", True)


async def test_a_refused_key_leaves_what_is_recorded_of_one(bench: Any) -> None:
    await bench.record("a")
    (file,) = (bench.folder / "ai" / "default").glob("[0-9]*.json")
    from emulator.gateway.ai.cassettes.cassette_files import recording_text, sealed

    document = bench.documents()["a"]
    file.write_bytes(recording_text(sealed({**document, "response": {**document["response"], "status": 401}})))
    before = file.read_bytes()
    bench.backend.answers["a"] = "no key"
    assert await bench.refresh() == {"a": ("failed", "not recorded, it was answered 401")}
    assert file.read_bytes() == before


async def test_what_a_model_would_say_now_is_shown_and_not_kept(bench: Any) -> None:
    await bench.record("a")
    files = {file: file.read_bytes() for file in bench.folder.rglob("*") if file.is_file()}
    bench.backend.answers["a"] = {"response": "new"}
    document = await bench.preview("a")
    assert (document["response"]["json"], document["request"]["body"]) == ({"response": "new"}, {"prompt": "a"})
    assert {file: file.read_bytes() for file in bench.folder.rglob("*") if file.is_file()} == files


async def test_what_people_edited_can_be_looked_at_too(bench: Any) -> None:
    await bench.record("a")
    (file,) = bench.folder.glob("ai/default/0*.json")
    file.write_text(file.read_text().replace('"response": "a"', '"response": "mine"'))
    assert (await bench.preview("a"))["response"]["json"] == {"response": "a"}


async def test_a_look_that_fails_says_why(bench: Any) -> None:
    await bench.record("a")
    del bench.backend.answers["a"]
    with pytest.raises(EmuError, match=r"default/00-.* cannot be compared with its model: answered 400: no such model") as caught:
        await bench.preview("a")
    assert caught.value.code == "E547"
    with pytest.raises(EmuError, match="there is no recording default/none"):
        await bench.refresher(Library([bench.folder], recheck_ms=0)).preview("default/none")

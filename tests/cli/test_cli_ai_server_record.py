"""`agents-emu ai record` and what follows from it: check, refresh, stale recordings, faults, gateways; models are a fake server's."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("asking_project", HERE / "asking_project.py")
assert _spec is not None and _spec.loader is not None
asking_project = sys.modules.setdefault("asking_project", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(asking_project)
sys.path[:0] = [str(HERE.parent)]

from fakes.base import Step  # noqa: E402
from fakes.mind import says  # noqa: E402
from fakes.openai import FakeOpenAi  # noqa: E402

MODEL = asking_project.MODEL
KEY = asking_project.KEY


@pytest.fixture
def fake() -> Iterator[Any]:
    with FakeOpenAi(key=KEY).running() as running:
        yield running


@pytest.fixture
async def project(tmp_path: Path, fake: Any) -> AsyncIterator[Any]:
    prices = f'[ai.prices]\n"{MODEL}" = [1000.0, 2000.0]\n'
    made = asking_project.AskingProject(tmp_path / "asking").make().routed(fake.base_url, prices)
    yield made
    await made.assert_nobody_left()


def files_and_bytes(project: Any) -> dict[str, bytes]:
    folder = project.root / "fixtures"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def test_recorded_once_replayed_without_the_model(project: Any, fake: Any) -> None:
    recorded = await project.wrapped("record", "tide", "moon")
    assert (recorded.code, recorded.out) == (0, "You said: tide\nYou said: moon\n"), recorded.err
    assert len(fake.seen) == 2
    assert "ai record  2 model calls (2 by a backend); 2 recorded: default/00-binding.run-llama" in recorded.err
    assert "spent $" in recorded.err
    assert not any(KEY.encode() in data for data in files_and_bytes(project).values())
    replayed = await project.wrapped("replay", "moon", "tide", options=("--json",))
    assert (replayed.code, replayed.json["session"]["sources"]) == (0, {"recording": 2}), replayed.err
    assert replayed.json["session"]["saved_usd"] > 0
    assert len(fake.seen) == 2


async def test_a_failed_command_leaves_the_cassette_as_it_was(project: Any, fake: Any) -> None:
    """A28."""
    assert (await project.wrapped("record", "tide")).code == 0
    before = files_and_bytes(project)
    failed = await project.wrapped("record", "tide", "moon", "--exit", "3")
    assert failed.code == 1
    assert "E455 the command ended with exit code 3" in failed.err and "--keep-failed" in failed.err
    assert "nothing new was kept" in failed.err
    assert files_and_bytes(project) == before
    kept = await project.wrapped("record", "sun", "--exit", "3", options=("--keep-failed",))
    assert kept.code == 1
    assert len(project.files()) == 3, "sun is beside tide; the other file is the manifest"


async def test_what_is_not_asked_for_stays_until_told_to_prune(project: Any, fake: Any) -> None:
    assert (await project.wrapped("record", "tide", "moon")).code == 0
    kept = await project.wrapped("record", "sun")
    assert (kept.code, len(project.files())) == (0, 4), kept.err
    assert "2 recordings were not asked for; --prune removes them" in kept.err
    pruned = await project.wrapped("record", "sun", options=("--prune",))
    assert (pruned.code, len(project.files())) == (0, 2), pruned.err
    assert "not asked for any more, and removed: default/00-" in pruned.err
    assert (await project.wrapped("record", "sun", options=("--prune", "--add"))).code == 2


async def test_a_command_that_asks_no_model_records_nothing(project: Any, fake: Any) -> None:
    nothing = await project.emu("ai", "record", "--", "true")
    assert nothing.code == 3, nothing.err
    assert "E546 nothing was asked of any model" in nothing.err and "$AGENTS_EMU_URL" in nothing.err


async def test_what_is_missing_is_added(project: Any, fake: Any) -> None:
    assert (await project.wrapped("record", "tide", options=("--cassette", "sea"))).code == 0
    added = await project.wrapped("record", "tide", "moon", options=("--add", "--cassette", "sea", "--json"))
    session = added.json["session"]
    assert (added.code, session["hits"], len(session["recorded"])) == (0, 1, 1), added.err
    assert [request.json["messages"][-1]["content"] for request in fake.seen] == ["tide", "moon"]
    assert project.files("default") == [] and len(project.files("sea")) == 3


async def test_an_unknown_secret_is_not_written(project: Any, fake: Any) -> None:
    fake.script(Step(turn=says("take sk-proj-" + "Ab1" * 16)))
    blocked = await project.wrapped("record", "tide", "moon")
    assert blocked.code == 3, blocked.err
    assert (
        "E542 1 answer could not be recorded, so the cassettes are as they were" in blocked.err
        and "E507" in blocked.err
        and "$.response" in blocked.err
    )
    assert project.files() == []


async def test_a_model_that_fails_while_recording(project: Any, fake: Any) -> None:
    fake.script(*[Step(status=500, message="boom")] * 3)
    failed = await project.wrapped("record", "tide")
    assert (failed.code, project.files()) == (1, [])


async def test_drift_is_told_and_nothing_touched(project: Any, fake: Any) -> None:
    """A34."""
    assert (await project.wrapped("record", "tide", "moon")).code == 0
    before = files_and_bytes(project)
    same = await project.wrapped("check", "tide", "moon")
    assert (same.code, same.out) == (0, "You said: tide\nYou said: moon\n"), same.err
    fake.script(Step(status=404, message="gone", code="model_not_found"))
    drifted = await project.wrapped("check", "tide")
    assert (drifted.code, drifted.out) == (3, "You said: tide\n"), drifted.err
    assert "E544 1 recording would be answered in another shape now" in drifted.err
    assert "default/00-binding.run-llama" in drifted.err and "status: 200 -> 4" in drifted.err
    assert "agents-emu ai refresh" in drifted.err
    (project.root / "agents-emu.toml").write_text("")
    alone = await project.wrapped("check", "tide")
    assert (alone.code, "E545 1 recording could not be compared" in alone.err) == (3, True), alone.err
    assert files_and_bytes(project) == before


async def test_refresh_asks_again(project: Any, fake: Any) -> None:
    assert (await project.wrapped("record", "tide", "moon")).code == 0
    fake.script(Step(turn=says("Now it is otherwise")))
    refreshed = await project.emu("ai", "refresh", "*", "--json")
    assert refreshed.code == 0, refreshed.err
    assert sorted(row["outcome"] for row in refreshed.json["recordings"]) == ["recorded", "unchanged"]
    replayed = await project.wrapped("replay", "tide", "moon")
    assert "Now it is otherwise" in replayed.out and replayed.code == 0
    nothing = await project.emu("ai", "refresh", "--stale")
    assert (nothing.code, "no recording is stale" in nothing.out) == (0, True), nothing.err
    unknown = await project.emu("ai", "refresh", "none/*")
    assert (unknown.code, "E530 no recording is named none/*" in unknown.err) == (2, True), unknown.err
    assert (await project.emu("ai", "refresh")).code == 2
    fake.script(Step(status=404, message="gone", code="model_not_found"))
    failed = await project.emu("ai", "refresh", "default/*")
    assert (failed.code, "E543 1 recording could not be recorded anew" in failed.err) == (3, True), failed.err


async def test_old_recordings(project: Any, fake: Any) -> None:
    """A29; refreshing them makes them young again."""
    from emulator.gateway.ai.cassettes.cassette_files import recording_text, sealed

    assert (await project.wrapped("record", "tide")).code == 0
    folder = project.root / "fixtures" / "ai" / "default"
    (folder / "cassette.json").unlink()
    (file,) = folder.glob("*.json")
    document = json.loads(file.read_text())
    document["recorded"]["at"] = (datetime.now(UTC) - timedelta(days=200)).strftime("%Y-%m-%dT%H:%M:%SZ")
    file.write_bytes(recording_text(sealed(document)))
    warned = await project.wrapped("replay", "tide")
    assert (warned.code, f"stale: default/{file.stem}" in warned.err) == (0, True), warned.err
    failed = await project.wrapped("replay", "tide", options=("--fail-stale",))
    assert failed.code == 3
    assert "E541 1 recording that answered is too old" in failed.err and "agents-emu ai refresh --stale" in failed.err
    assert (await project.emu("ai", "refresh", "--stale")).code == 0
    assert (await project.wrapped("replay", "tide", options=("--fail-stale",))).code == 0


async def test_with_a_running_server(project: Any, fake: Any) -> None:
    """Faults, explanations, gateways, routes and cost, and that a fault that was asked for fails no replay (A41)."""
    verbs = importlib.util.spec_from_file_location("ai_server_verbs", HERE / "test_cli_ai_server_verbs.py")
    assert verbs is not None and verbs.loader is not None
    module = importlib.util.module_from_spec(verbs)
    sys.modules["ai_server_verbs"] = module
    verbs.loader.exec_module(module)
    server = await module.started(project, "--ai-speed", "instant")
    try:
        assert await server.ask("tide", gateway="g") == (200, "You said: tide")
        assert await server.ask("tide", gateway="g") == (200, "You said: tide"), "each answer is recorded"
        state = await server.json("status")
        assert [(row["to"], row["key_present"]) for row in state["routes"]] == [("fake", True)]
        assert KEY not in json.dumps(state) and len(state["summary"]["recorded"]) == 2
        assert "present" in (await server.emu("status")).out

        explained = await server.emu("explain", "last")
        assert "answered  200 from backend fake" in explained.out or "answered  200 from backend" in explained.out
        logs = await server.json("gateway", "logs", "g")
        assert [row["model"] for row in logs] == [MODEL, MODEL]
        log = await server.json("gateway", "log", "g", logs[0]["id"])
        assert log["id"] == logs[0]["id"] and log["tokens_out"] > 0
        assert "g " in (await server.emu("gateway", "list")).out
        assert logs[0]["id"] in (await server.emu("gateway", "logs")).out
        assert (await server.emu("gateway", "log", "g", "absent")).code == 2
        assert (await server.json("explain", logs[0]["id"]))["call"]["log_id"] == logs[0]["id"]
        assert (await server.emu("gateway", "reset", "g")).code == 0
        assert await server.json("gateway", "logs", "g") == []

        cost = await server.json("cost")
        assert cost["spent_usd"] > 0 and cost["saved_usd"] == 0
        assert (await server.emu("mode", "replay")).code == 0
        assert await server.ask("tide") == (200, "You said: tide")
        saved = await server.json("cost")
        assert (saved["spent_usd"], saved["saved_usd"] > 0, saved["models"][0]["replayed"]) == (0, True, 1)
        assert "replay saved $" in (await server.emu("cost")).out

        await server.ask("the moon", swallow="1")
        listed = await server.emu("explain")
        assert listed.out.count(MODEL) >= 2 and "recording default/00-binding.run" in listed.out
        missed = await server.emu("explain", "last")
        assert "no recording of this key" in missed.out and "nearest" in missed.out and "$.body.prompt" in missed.out

        added = await server.emu("fault", "add", "--name", "busy", "--when", "target=@cf/*", "--do", "status=429", "--do", "code=3040")
        assert added.out.startswith("busy  added, seed "), added.err
        broken = await project.wrapped("replay", "tide&swallow=1", options=("--json",))
        assert (broken.code, broken.out and broken.json["session"]["faults"]) == (0, 1), broken.err
        assert broken.json["session"]["failures"][0]["on_purpose"] is True
        listed = await server.emu("fault", "list")
        assert "busy" in listed.out and "target=@cf/*" in listed.out and "status=429 code=3040" in listed.out
        assert (await server.json("fault", "list"))["faults"][0]["fired"] == 0, "the session after the run begins at zero"
        assert (await server.emu("fault", "add", "--do", "stauts=500")).code == 2
        assert (await server.emu("fault", "add", "{no json")).code == 2
        assert (await server.emu("fault", "clear", "absent")).code == 2
        assert (await server.json("fault", "clear", "busy")) == {"cleared": 1}
        (project.root / "fixtures" / "ai" / "faults.json").write_text('[{"do": {"stauts": 500}}]')
        listed = await server.emu("fault", "list")
        assert (listed.code, "E521 " in listed.err, "faults.json $[0].do.stauts" in listed.err) == (3, True, True), listed.err
        unchecked = await server.emu("check")
        assert (unchecked.code, "E546 nothing was compared: the server is in mode replay" in unchecked.err) == (3, True), unchecked.err
        unknown = await server.emu("gateway", "reset", "nope")
        assert (unknown.code, "E228 there is no gateway 'nope'" in unknown.err, "there is g" in unknown.err) == (2, True, True), unknown.err
    finally:
        code, out, err = await server.stop()
    spent = await project.emu("ai", "cost")
    assert (spent.code, "no server is running; the last run ended 20" in spent.out, "spent $" in spent.out) == (0, True, True), spent.err
    assert "models" not in (await project.emu("ai", "cost", "--json")).json
    assert code == 130, err
    assert f"model call {MODEL} failed: 429, code 3040, attempt 1 (fault busy)" in out + err
    assert "E521 " in out + err and "faults.json $[0].do.stauts" in out + err

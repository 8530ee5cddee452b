"""What is shown of calls that went wrong holds no secret: neither one that is known nor what looks like one (ai-binding.md 7.5)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from emulator.config import AiMode, Redactor, Secrets
from emulator.config.speed import Speed
from emulator.gateway.ai.call_log import CallLog
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.ledger import Ledger
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.recorder.secret_patterns import masked, masked_value
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.sessions import Sessions
from emulator.gateway.ai.verbs import AiVerbs
from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Journal

TOKEN = "sk-" + "proj-" + "aB3dE_6gH-" * 5
KNOWN = "s3cret-value"


def test_the_mask_says_what_it_looks_like() -> None:
    github = "gh" + "p_" + "aB3d" * 9
    assert masked(f"a {TOKEN}, b {github}") == "a [looks like an OpenAI key], b [looks like a GitHub token]"
    assert masked_value({TOKEN: [{"a": f"x\n{TOKEN}", "b": 3}, None]}) == {
        "[looks like an OpenAI key]": [{"a": "x\n[looks like an OpenAI key]", "b": 3}, None]
    }
    assert masked("talk about sk-... and Bearer tokens") == "talk about sk-... and Bearer tokens"


def test_what_went_wrong_is_told_without_tokens() -> None:
    """The problem of a call is told by `ai/calls` and by `ai explain`."""
    passed: list[Any] = []
    log = CallLog(passed.append)
    event = {"request_id": "1", "code": "E502", "problem": f"GET https://x/{TOKEN} failed", "status": 400}
    log.ended(ModelRequest(Kind.HTTP, "GET https://x/"), event)
    assert passed == [event]
    assert log.calls() == [{**event, "problem": "GET https://x/[looks like an OpenAI key] failed"}]


async def test_the_journal_and_its_readers_get_no_tokens() -> None:
    """The terminal is one of them. What is known keeps its name, also when it has the look of a token."""
    journal = Journal(SystemClock(), None, Redactor(Secrets({"KEY": TOKEN})))
    other = TOKEN.replace("3", "4")
    told: list[Any] = []
    journal.subscribe(told.append)
    for kind, field in (("ai", "problem"), ("egress", "problem"), ("ai", "warnings"), ("ai", "notice")):
        journal.add(kind, **{field: [f"{TOKEN} and {other}"]})
        (entry,) = journal.since(journal.last_seq - 1)
        assert entry[field] == ["[secret KEY] and [looks like an OpenAI key]"]
        assert told[-1] == entry


def test_misses_are_named_without_secrets_and_only_so_many(cassettes: Any) -> None:
    redaction = Redaction(lambda: {"KEY": KNOWN})
    library = Library([cassettes.root], recheck_ms=0)
    playback = Playback(library, AiMode.REPLAY, Pacer(Speed(None)), ci=False, redact=redaction.request)
    for number in range(60):
        playback.find(ModelRequest(Kind.HTTP, f"GET https://x/{number}/{KNOWN}?a={TOKEN}"))
    status = playback.status()
    assert (status["misses"], len(status["missed"])) == (60, 50)
    assert status["missed"][0] == "http GET https://x/0/{{secret:KEY}}?a=[looks like an OpenAI key]: FixtureMiss"


def test_the_session_of_the_control_api_is_cleaned(cassettes: Any) -> None:
    """A host names what it denied in its own words."""
    playback = Playback(Library([cassettes.root], recheck_ms=0), AiMode.REPLAY, Pacer(Speed(None)), ci=False)
    playback.denied(f"a connection to {KNOWN}:443")
    layer = SimpleNamespace(
        playback=playback,
        sessions=Sessions(playback, Ledger()),
        lease=SimpleNamespace(status=dict),
        routes=list,
        redact=lambda text: text.replace(KNOWN, "[secret KEY]"),
    )
    answer = asyncio.run(AiVerbs(cast(Any, layer)).session())
    assert answer["missed"] == ["a connection to [secret KEY]:443"]

"""What is shown of calls that went wrong holds no secret: neither one that is known nor what looks like one (ai-binding.md 7.5)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.call_log import CallLog
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes import Library
from emulator.gateway.ai.ledger import Ledger
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.redaction import Redaction
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.secret_patterns import masked, masked_value
from emulator.gateway.ai.sessions import Sessions
from emulator.gateway.ai.verbs import AiVerbs

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
    """The problem of a call is kept by the journal, told by the terminal and by `ai/calls`."""
    passed: list[Any] = []
    log = CallLog(passed.append)
    event = {"request_id": "1", "code": "E502", "problem": f"GET https://x/{TOKEN} failed", "status": 400}
    log.ended(ModelRequest(Kind.HTTP, "GET https://x/"), event)
    assert passed == log.calls()
    assert passed == [{**event, "problem": "GET https://x/[looks like an OpenAI key] failed"}]


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
        routes=list,
        redact=lambda text: text.replace(KNOWN, "[secret KEY]"),
    )
    answer = asyncio.run(AiVerbs(cast(Any, layer)).session())
    assert answer["missed"] == ["a connection to [secret KEY]:443"]

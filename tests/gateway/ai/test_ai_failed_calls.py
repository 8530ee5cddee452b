"""Errors that agents swallow are said in one line each (A41)."""

from __future__ import annotations

from typing import Any, cast

import pytest

from emulator.gateway.ai.calls import Call
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.faults.failed_calls import FailedCalls, error_code, reason
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.upstream_errors import Upstream, described, from_status, no_key, silent, unreachable, unusable
from emulator.gateway.console import Caution, Console, Note, Trouble
from emulator.gateway.exchange import Response
from emulator.gateway.narrator import Narrator

BUSY = {"model": "@cf/m", "key": "k1", "status": 429, "error_code": "3040", "fault": "no-capacity"}


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b'{"errors":[{"message":"AiError: x","code":3040}],"success":false}', "3040"),
        (b'{"success":false,"error":[{"code":2003,"message":"m"}],"name":"AiGatewayError","internalCode":2003}', "2003"),
        (b'{"error": {"message": "m", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}', "rate_limit_exceeded"),
        (b'{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}', "invalid_request_error"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overloaded_error"),
        (b'[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]', "400"),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_the_code_in_a_body(head, code):
    assert error_code(head) == code


def test_attempts_of_one_request_are_counted_until_it_succeeds():
    calls = FailedCalls()
    assert calls.line(BUSY) == "model call @cf/m failed: 429, code 3040, attempt 1 (fault no-capacity)"
    assert calls.line({**BUSY, "key": "k2"}) == "model call @cf/m failed: 429, code 3040, attempt 1 (fault no-capacity)"
    assert calls.line({**BUSY, "status": 0}) is None
    assert calls.line(BUSY) == "model call @cf/m failed: 429, code 3040, attempt 2 (fault no-capacity)"
    assert calls.line({**BUSY, "status": 200}) is None
    assert calls.line(BUSY) == "model call @cf/m failed: 429, code 3040, attempt 1 (fault no-capacity)"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"recording": "default/busy", "source": "recording"}, "recording default/busy"),
        ({"backend": "ollama", "source": "backend"}, "backend ollama"),
        ({"source": "live"}, "said by the provider"),
        ({}, "said by the emulator"),
    ],
)
def test_who_answered(entry, words):
    assert FailedCalls().line({"model": "gpt-4o", "status": 500, **entry}) == f"model call gpt-4o failed: 500, attempt 1 ({words})"


SERVER = Upstream("dead", "http://127.0.0.1:1/v1", key_env="THE_KEY")


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (unreachable(SERVER, "Connection refused"), "E615 cannot be reached at http://127.0.0.1:1/v1"),
        (silent(SERVER, 50), "E615 sent nothing for 50 ms at http://127.0.0.1:1/v1"),
        (unusable(SERVER, described("text/html", b"<html>x")), "E616 answers with an HTML page at http://127.0.0.1:1/v1"),
        (no_key(SERVER, "key", "THE_KEY"), "E610 needs its key, and THE_KEY is not set"),
        (from_status(SERVER, "m", 401, [], b"{}"), "E611 answers 401"),
        (from_status(SERVER, "m", 429, [], b'{"error": {"message": "slow: down"}}'), "E614 limits the rate of requests"),
    ],
)
def test_our_own_reason_is_told_with_a_backends_failure(refused, words):
    call = Call(ModelRequest(Kind.RUN, "@cf/m", {}), 0, "r")
    call.learn(Reply(refused.response, Source.NONE, backend="dead"))
    line = FailedCalls().line({"model": "@cf/m", "status": refused.response.status, **call.fields()})
    assert line == f"model call @cf/m failed: {refused.response.status}, attempt 1 (backend dead): {words}"
    call.learn(Reply(Response(200, [], b"{}"), Source.BACKEND, backend="dead"))
    assert call.reason is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"errors": []}', b'{"errors": [{"message": "AiError: theirs (uuid)", "code": 3040}]}'])
def test_other_errors_have_no_reason_of_ours(body):
    assert reason(body) is None


def test_what_is_no_model_call_is_not_told():
    assert FailedCalls().line({"status": 500, "url": "https://example.com"}) is None


def test_only_so_many_requests_are_kept():
    calls = FailedCalls()
    for number in range(600):
        calls.line({**BUSY, "key": str(number)})
    assert "attempt 1 " in (calls.line({**BUSY, "key": "0"}) or "")
    assert "attempt 2 " in (calls.line({**BUSY, "key": "599"}) or "")


class Shown:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def shows(self, level: Any) -> bool:
        return True

    def show(self, event: Any) -> None:
        self.events.append(event)


@pytest.mark.parametrize("kind", ["ai", "egress"])
def test_the_terminal_says_it_once_for_each_answer(kind):
    shown = Shown()
    narrator = Narrator(cast(Console, shown))
    narrator({"kind": kind, **BUSY})
    narrator({"kind": kind, **BUSY, "problem": "the stream broke", "code": "E601"})
    narrator({"kind": kind, **BUSY, "status": 200, "notice": None})
    first, second = shown.events
    assert (type(first), first.text) == (Note, "model call @cf/m failed: 429, code 3040, attempt 1 (fault no-capacity)")
    assert type(second) is (Trouble if kind == "ai" else Note)


def test_what_is_wrong_with_a_faults_file_is_told_and_a_firing_is_not():
    shown = Shown()
    narrator = Narrator(cast(Console, shown))
    narrator({"kind": "fault", "problem": "the faults file is not JSON", "code": "E520", "where": "faults.json", "next": "correct it"})
    narrator({"kind": "fault", "fault": "x", "n": 1, "seed": 7, "target": "@cf/m", "model": "@cf/m"})
    (event,) = shown.events
    assert (type(event), event.notice.what, event.notice.where) == (Caution, "E520 the faults file is not JSON", "faults.json")

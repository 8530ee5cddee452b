"""upstream_errors.py: table 4.3, and every form of error body that is met."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.gateway.ai.upstream_errors import Refused, Upstream, did_you_mean, from_status, in_stream

UPSTREAM = Upstream("mine", "http://127.0.0.1:9/v1", "MY_KEY", models=("gpt-4o", "qwen3:8b"))
STRICT = Upstream("mine", "http://127.0.0.1:9/v1", "MY_KEY", map_overload=False)


def answered(status: int, body: Any, *, upstream: Upstream = UPSTREAM, headers: Any = ()) -> Refused:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_status(upstream, "gpt-4", status, list(headers), data)


def seen(refused: Refused) -> tuple[int, int, str]:
    document = json.loads(refused.response.body)
    assert document["success"] is False and refused.response.header("content-type") == "application/json"
    return refused.response.status, document["errors"][0]["code"], document["errors"][0]["message"]


def openai(message: str, kind: str = "invalid_request_error", code: str | None = None) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, openai("Incorrect API key provided: sk-ab***", code="invalid_api_key"), (403, 10000)),
        (403, openai("Your project may not use this"), (403, 10000)),
        (404, openai("The model `x` does not exist", code="model_not_found"), (400, 5007)),
        (400, openai("The requested model 'x' does not exist.", code="model_not_found"), (400, 5007)),
        (400, openai("Unknown parameter: 'x'"), (400, 5006)),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, (400, 5006)),
        (405, openai("Method not allowed"), (400, 5006)),
        (413, openai("Request too large"), (413, 3006)),
        (400, openai("This model's maximum context length is 128000 tokens", code="context_length_exceeded"), (400, 3030)),
        (400, openai("Your request was rejected by our safety system", code="content_policy_violation"), (400, 3030)),
        (429, openai("Rate limit reached for gpt-4o", kind="requests", code="rate_limit_exceeded"), (429, 3040)),
        (429, openai("You exceeded your current quota", kind="insufficient_quota", code="insufficient_quota"), (429, 3036)),
        (402, {"error": "Payment required"}, (429, 3036)),
        (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}, (429, 3036)),
        (429, {"errors": [{"code": 4006, "message": "you have used up your daily free allocation of 10,000 neurons"}]}, (429, 3036)),
        (408, openai("Timed out"), (408, 3007)),
        (504, b"<html>gateway timeout</html>", (408, 3007)),
        (500, openai("The server had an error", kind="server_error"), (429, 3040)),
        (503, b"upstream connect error", (429, 3040)),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, (429, 3040)),
    ],
)
def test_table_4_3(status: int, body: Any, expected: tuple[int, int]) -> None:
    refused = answered(status, body)
    assert seen(refused)[:2] == expected
    assert "'mine'" in seen(refused)[2]


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_without_map_overload_the_code_stays(status: int) -> None:
    assert seen(answered(status, b"x", upstream=STRICT))[:2] == (500, status)


@pytest.mark.parametrize(
    "body",
    [
        openai("too odd"),
        [{"error": {"code": 400, "message": "too odd", "status": "INVALID_ARGUMENT"}}],
        {"error": "too odd"},
        {"errors": [{"code": 1, "message": "too odd"}]},
        {"object": "error", "message": "too odd", "type": "BadRequestError", "code": 400},
        {"detail": "too odd"},
        b"too odd",
    ],
)
def test_the_backends_own_words_are_kept(body: Any) -> None:
    assert "too odd" in seen(answered(400, body))[2]


def test_a_refused_key_names_the_variable_and_never_the_key() -> None:
    status, code, text = seen(answered(401, openai("Incorrect API key provided: sk-abcd")))
    assert (status, code) == (403, 10000)
    assert "the key from MY_KEY" in text and "sk-abcd" not in text


def test_retry_after_is_forwarded() -> None:
    headers = [("Retry-After", "3"), ("retry-after-ms", "2500"), ("x-request-id", "r")]
    for status in (429, 503):
        found = answered(status, b"", headers=headers).response.headers
        assert found[1:] == [("retry-after", "3"), ("retry-after-ms", "2500")]


@pytest.mark.parametrize("body", [b"<html><h1>Not Found</h1></html>", openai("Invalid URL (POST /v1/v1/chat/completions)"), b""])
def test_a_404_that_is_not_about_the_model_doubts_the_address(body: Any) -> None:
    text = seen(answered(404, body))[2]
    assert "is its base_url right" in text and "http://127.0.0.1:9/v1" in text
    assert "close matches: gpt-4o" in text


def test_a_redirect_is_none_of_the_protocol() -> None:
    status, code, text = seen(answered(308, b"", headers=[("location", "https://elsewhere/v1")]))
    assert (status, code) == (500, 502)
    assert "redirects to https://elsewhere/v1" in text


def test_only_what_the_model_said_is_worth_recording() -> None:
    assert answered(500, b"").answered and answered(429, b"").answered and answered(400, b"{}").answered
    assert not answered(401, b"").answered and not answered(302, b"").answered


def test_a_long_body_is_cut() -> None:
    assert len(seen(answered(400, b"x" * 100_000))[2]) < 600


@pytest.mark.parametrize(
    ("model", "matches"),
    [("gpt-4", "gpt-4o"), ("qwen3", "qwen3:8b"), ("openai/gpt4o", "gpt-4o"), ("zzz", "")],
)
def test_close_matches(model: str, matches: str) -> None:
    assert did_you_mean(model, UPSTREAM.models) == (f"; close matches: {matches}" if matches else "")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (openai("boom", kind="server_error"), 3040),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 3040),
        (openai("no quota", kind="insufficient_quota"), 3036),
        (openai("context length exceeded"), 3030),
        (openai("bad thing"), 500),
    ],
)
def test_errors_inside_a_stream(document: Any, code: int) -> None:
    assert in_stream(UPSTREAM, document)[0] == code

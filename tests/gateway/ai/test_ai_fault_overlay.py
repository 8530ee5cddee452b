"""What faults do to answers and streams: in the caller's dialect, on exact event boundaries, on our clock (ai-binding.md 7.6)."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.config.speed import Speed
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.faults.book import Fault
from emulator.gateway.ai.faults.dialects import Dialect, error_dialect, model_named, stream_dialect
from emulator.gateway.ai.faults.overlay import after, before
from emulator.gateway.ai.faults.rules import parse_rule
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response
from emulator.gateway.failures import NetworkFailure

from .conftest import FakeClock, read

RUN = ModelRequest(Kind.RUN, "@cf/zai-org/glm-4.7-flash", {"prompt": "hi", "stream": True})
LEGACY = [b'data: {"response":"He"}\n\n', b'data: {"response":"llo"}\n\n', b'data: {"response":"","usage":{}}\n\n', b"data: [DONE]\n\n"]


def http(url: str, body=None, kind: Kind = Kind.HTTP) -> ModelRequest:
    return ModelRequest(kind, f"POST {url}", body if body is not None else {"model": "m"})


def leg(provider: str, endpoint: str, query=None) -> ModelRequest:
    return ModelRequest(Kind.UNIVERSAL, "universal/g", [{"provider": provider, "endpoint": endpoint, "query": query or {}}])


def firing(do: dict, asked: ModelRequest = RUN) -> Fault:
    return Fault("x", 1, 7, parse_rule({"do": do}, "f", "$", "x").do, asked)


class Stream:
    """A stream of chunks that knows whether it was closed."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = list(chunks)
        self.closed = False

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        if self.closed or not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        self.closed = True


class Bent:
    """A reply with a fault on it, read to its end."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.pacer = Pacer(Speed.parse("instant"), clock.now_ms, clock.sleep)
        self.source = Stream([])
        self.broke = False

    async def __call__(self, do: dict, chunks: list[bytes] = LEGACY, *, kind: str = "text/event-stream", asked: ModelRequest = RUN):
        self.source, self.broke = Stream(chunks), False
        headers = [("content-type", kind), ("content-length", "99"), ("cf-x", "1")]
        reply = Reply(Response(200, headers, self.source), Source.RECORDING, recording="default/one")
        self.reply = await after(firing(do, asked), reply, self.pacer)
        seen = []
        try:
            async for chunk in self.reply.response.body:
                seen.append(chunk)
        except NetworkFailure as failure:
            assert failure.user_message == "Network connection lost."
            self.broke = True
        return seen


@pytest.fixture
def bent() -> Bent:
    return Bent(FakeClock())


async def in_place(do: dict, asked: ModelRequest = RUN):
    """Status, headers and body of what takes the place of the answer."""
    clock = FakeClock()
    reply = await before(firing(do, asked), asked, Pacer(Speed.parse("instant"), clock.now_ms, clock.sleep))
    assert reply.source is Source.FAULT
    body = await read(reply.response)
    headers = dict(reply.response.headers)
    return reply.response.status, headers, json.loads(body) if headers["content-type"] == "application/json" and body else body


# -- dialects


GATEWAY = "https://gateway.ai.cloudflare.com/v1/*/*"
DIALECTS = [
    (RUN, Dialect.WORKERS_AI, Dialect.WORKERS_AI),
    (ModelRequest(Kind.RUN, "anthropic/claude-sonnet-4-5", {"messages": []}), Dialect.WORKERS_AI, Dialect.ANTHROPIC),
    (ModelRequest(Kind.RUN, "@cf/openai/gpt-oss-120b", {"input": "hi"}), Dialect.WORKERS_AI, Dialect.RESPONSES),
    (ModelRequest(Kind.MODELS, "models"), Dialect.MANAGEMENT, Dialect.MANAGEMENT),
    (leg("workers-ai", "@cf/meta/llama"), Dialect.WORKERS_AI, Dialect.WORKERS_AI),
    (leg("workers-ai", "v1/chat/completions"), Dialect.OPENAI, Dialect.OPENAI),
    (leg("openai", "chat/completions"), Dialect.OPENAI, Dialect.OPENAI),
    (leg("openai", "responses"), Dialect.RESPONSES, Dialect.RESPONSES),
    (leg("anthropic", "v1/messages"), Dialect.ANTHROPIC, Dialect.ANTHROPIC),
    (leg("google-ai-studio", "v1beta/models/gemini-2.0-flash:generateContent"), Dialect.GEMINI, Dialect.GEMINI),
    (leg("groq", "chat/completions"), Dialect.OPENAI, Dialect.OPENAI),
    (http(f"{GATEWAY}/openai/responses", kind=Kind.GATEWAY_HTTP), Dialect.RESPONSES, Dialect.RESPONSES),
    (http(f"{GATEWAY}/anthropic/v1/messages", kind=Kind.GATEWAY_HTTP), Dialect.ANTHROPIC, Dialect.ANTHROPIC),
    (http(f"{GATEWAY}/compat/chat/completions", kind=Kind.GATEWAY_HTTP), Dialect.OPENAI, Dialect.OPENAI),
    (http(f"{GATEWAY}/workers-ai/@cf/meta/llama", kind=Kind.GATEWAY_HTTP), Dialect.WORKERS_AI, Dialect.WORKERS_AI),
    (http(f"{GATEWAY}", kind=Kind.GATEWAY_HTTP), Dialect.OPENAI, Dialect.OPENAI),
    (http("https://api.openai.com/v1/chat/completions"), Dialect.OPENAI, Dialect.OPENAI),
    (http("https://api.openai.com/v1/responses"), Dialect.RESPONSES, Dialect.RESPONSES),
    (http("https://api.anthropic.com/v1/messages"), Dialect.ANTHROPIC, Dialect.ANTHROPIC),
    (http("https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"), Dialect.GEMINI_COMPAT, Dialect.OPENAI),
    (
        http("https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse"),
        Dialect.GEMINI,
        Dialect.GEMINI,
    ),
    (http("https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/meta/llama"), Dialect.WORKERS_AI, Dialect.WORKERS_AI),
    (http("https://api.cloudflare.com/client/v4/accounts/a/ai/v1/chat/completions"), Dialect.OPENAI, Dialect.OPENAI),
    (http("http://127.0.0.1:11434/api/chat"), Dialect.OLLAMA, Dialect.OLLAMA),
    (http("http://127.0.0.1:8000/v1/chat/completions"), Dialect.OPENAI, Dialect.OPENAI),
]


@pytest.mark.parametrize(
    ("asked", "of_errors", "of_streams"), DIALECTS, ids=[f"{asked.kind} {model_named(asked)} {n}" for n, (asked, *_) in enumerate(DIALECTS)]
)
def test_the_dialect_follows_from_the_request(asked, of_errors, of_streams):
    assert (error_dialect(asked), stream_dialect(asked)) == (of_errors, of_streams)


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        (RUN, "@cf/zai-org/glm-4.7-flash"),
        (leg("workers-ai", "@cf/meta/llama"), "@cf/meta/llama"),
        (leg("openai", "chat/completions", {"model": "gpt-4o"}), "gpt-4o"),
        (leg("replicate", "predictions"), "replicate/predictions"),
        (http("https://api.openai.com/v1/responses", {"model": "gpt-4o"}), "gpt-4o"),
        (http("https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent", {}), "gemini-2.0-flash"),
        (http("https://example.com/x", "text"), "POST https://example.com/x"),
        (ModelRequest(Kind.UNIVERSAL, "universal/g", None), "/"),
    ],
)
def test_the_model_a_request_names(asked, model):
    assert model_named(asked) == model


# -- in place of an answer


OPENAI_URL, ANTHROPIC_URL = "https://api.openai.com/v1/chat/completions", "https://api.anthropic.com/v1/messages"
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent"
COMPAT_URL = "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"


@pytest.mark.parametrize(
    ("asked", "do", "status", "error"),
    [
        (http(OPENAI_URL), {"status": 429}, 429, {"type": "requests", "param": None, "code": "rate_limit_exceeded"}),
        (
            http(OPENAI_URL),
            {"code": "insufficient_quota"},
            429,
            {"type": "insufficient_quota", "param": None, "code": "insufficient_quota"},
        ),
        (http(OPENAI_URL), {"status": 500}, 500, {"type": "server_error", "param": None, "code": "server_error"}),
        (http(OPENAI_URL), {"code": 3040}, 429, {"type": "requests", "param": None, "code": "rate_limit_exceeded"}),
        (http(OPENAI_URL), {"code": 2003}, 429, {"type": "requests", "param": None, "code": "rate_limit_exceeded"}),
        (http(ANTHROPIC_URL), {"status": 529}, 529, {"type": "overloaded_error", "message": "Overloaded"}),
        (http(ANTHROPIC_URL), {"code": "overloaded_error"}, 529, {"type": "overloaded_error", "message": "Overloaded"}),
        (http(ANTHROPIC_URL), {"status": 418}, 418, {"type": "api_error", "message": "Internal server error"}),
        (http(GEMINI_URL), {"status": 503}, 503, {"code": 503, "status": "UNAVAILABLE"}),
        (http(GEMINI_URL), {"code": "RESOURCE_EXHAUSTED"}, 429, {"code": 429, "status": "RESOURCE_EXHAUSTED"}),
        (leg("anthropic", "v1/messages"), {"status": 401}, 401, {"type": "authentication_error", "message": "invalid x-api-key"}),
    ],
)
async def test_errors_of_the_providers(asked, do, status, error):
    told, headers, body = await in_place(do, asked)
    assert (told, headers["content-type"]) == (status, "application/json")
    assert body["error"].items() >= error.items()
    assert body["error"]["message"]
    assert body.get("type") == ("error" if error_dialect(asked) is Dialect.ANTHROPIC else None)


async def test_gemini_behind_its_compatible_endpoint_lists_its_errors():
    _, _, body = await in_place({"status": 400}, http(COMPAT_URL))
    assert body == [{"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}]


async def test_ollama_has_an_error_and_no_more():
    assert (await in_place({"status": 404}, http("http://localhost:11434/api/chat")))[2] == {
        "error": "The model does not exist or you do not have access to it."
    }


async def test_codes_of_the_gateway_come_in_its_envelope_wherever_it_is_on_the_way():
    for asked in (RUN, leg("openai", "chat/completions"), http(f"{GATEWAY}/anthropic/v1/messages", kind=Kind.GATEWAY_HTTP)):
        status, _, body = await in_place({"code": "rate_limited"}, asked)
        assert (status, body["name"], body["internalCode"], body["description"]) == (429, "AiGatewayError", 2003, "Rate limited")


async def test_a_status_without_a_code_is_its_own_number():
    _, _, body = await in_place({"status": 503})
    assert (body["errors"][0]["code"], body["errors"][0]["message"].startswith("AiError: AiError: Internal server error (")) == (503, True)
    _, _, body = await in_place({"status": 418, "code": 9999})
    assert body["errors"][0]["code"] == 9999


async def test_the_management_paths_list_theirs():
    status, _, body = await in_place({"code": 10000}, ModelRequest(Kind.TO_MARKDOWN, "to-markdown"))
    assert (status, body["errors"]) == (401, [{"code": 10000, "message": "Authentication error"}])


async def test_a_body_of_ones_own():
    assert (await in_place({"status": 502, "body": {"a": 1}}))[::2] == (502, {"a": 1})
    status, headers, body = await in_place({"status": 502, "body": "<html>", "wrong_content_type": "text/html"})
    assert (status, headers["content-type"], body) == (502, "text/html", b"<html>")
    assert (await in_place({"code": 3040, "body": None}))[::2] == (429, None)


async def test_when_to_try_again_is_said_in_both_units():
    _, headers, _ = await in_place({"status": 429, "retry_after_ms": 1500})
    assert (headers["retry-after-ms"], headers["retry-after"]) == ("1500", "2")


async def test_an_empty_body_has_the_type_that_was_asked_for():
    for asked, kind in (
        (RUN, "text/event-stream"),
        (ModelRequest(Kind.RUN, "m", {}), "application/json"),
        (leg("openai", "chat/completions", {"stream": True}), "text/event-stream"),
        (http(GEMINI_URL.replace("generateContent", "streamGenerateContent"), {}), "text/event-stream"),
    ):
        status, headers, body = await in_place({"empty_body": True}, asked)
        assert (status, headers["content-type"], body) == (200, kind, b"")


async def test_a_refused_connection_is_one():
    with pytest.raises(NetworkFailure) as caught:
        await before(firing({"refuse": True}), RUN, Pacer(Speed.parse("instant")))
    assert (caught.value.user_name, caught.value.user_message) == ("Error", "Network connection lost.")


async def test_the_first_token_is_late_on_the_emulators_clock(bent):
    assert await before(firing({"first_token_ms": 4000}), RUN, bent.pacer) is None
    assert bent.clock.slept_ms == [4000]
    reply = await before(firing({"first_token_ms": 250, "status": 500}), RUN, bent.pacer)
    assert (bent.clock.slept_ms, reply.response.status) == ([4000, 250], 500)


async def test_a_fault_of_streams_lets_the_call_go_on():
    assert await before(firing({"reset_after_events": 1}), RUN, Pacer(Speed.parse("instant"))) is None


# -- on the stream


AS_ONE = [b"".join(LEGACY)]
TORN = [LEGACY[0][:5], LEGACY[0][5:] + LEGACY[1][:3], LEGACY[1][3:] + LEGACY[2], LEGACY[3]]


@pytest.mark.parametrize("chunks", [LEGACY, AS_ONE, TORN], ids=["an event each", "all at once", "across events"])
@pytest.mark.parametrize("k", [0, 1, 3, 4])
@pytest.mark.parametrize(("how", "breaks"), [("reset_after_events", True), ("eof_after_events", False)])
async def test_a_stream_ends_after_exactly_k_events_however_it_was_cut_up(bent, how, breaks, k, chunks):
    seen = await bent({how: k}, chunks)
    assert seen == LEGACY[:k]
    assert (bent.broke, bent.source.closed) == (breaks, True)


ON_STREAMS = [
    {"reset_after_events": 2},
    {"eof_after_events": 3},
    {"reset_after_bytes": 31},
    {"malform_event": 2},
    {"error_event": 3},
    {"duplicate_event": "done"},
    {"drop_event": 1},
    {"finish_reason": "length"},
    {"split_utf8": True},
    {"drop_event": 2, "gap_ms": 3, "reset_after_bytes": 40, "split_utf8": True},
]


@given(cuts=st.sets(st.integers(1, 120)), do=st.sampled_from(ON_STREAMS))
def test_how_a_stream_was_cut_up_changes_nothing(cuts, do):
    whole = b"".join(LEGACY).replace(b"llo", "llö👋".encode())
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[begin:end] for begin, end in pairwise(edges)]

    async def both() -> None:
        one, many = Bent(FakeClock()), Bent(FakeClock())
        assert b"".join(await one(do, [whole])) == b"".join(await many(do, pieces))
        assert (one.broke, one.clock.slept_ms) == (many.broke, many.clock.slept_ms)

    asyncio.run(both())


async def test_a_stream_that_is_shorter_ends_as_it_would(bent):
    assert await bent({"reset_after_events": 9}) == LEGACY
    assert not bent.broke


@pytest.mark.parametrize("size", [0, 1, 23, 24, 25, 40, len(AS_ONE[0]) - 1])
async def test_a_stream_breaks_after_exactly_that_many_bytes(bent, size):
    assert b"".join(await bent({"reset_after_bytes": size}, TORN)) == AS_ONE[0][:size]
    assert (bent.broke, bent.source.closed) == (True, True)


async def test_a_stall_lasts_until_the_caller_leaves(bent):
    source = Stream(LEGACY)
    reply = await after(
        firing({"stall_after_events": 2}), Reply(Response(200, [("content-type", "text/event-stream")], source), Source.STUB), bent.pacer
    )
    body = reply.response.body
    assert [await anext(body), await anext(body)] == LEGACY[:2]
    waiting = asyncio.create_task(anext(body))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await body.aclose()
    assert source.closed
    assert bent.clock.slept_ms == [], "it is no delay, so no clock can end it"


async def test_closing_before_the_first_chunk_closes_the_source(bent):
    source = Stream(LEGACY)
    reply = await after(firing({"gap_ms": 5}), Reply(Response(200, [], source), Source.LIVE), bent.pacer)
    await reply.response.aclose()
    assert source.closed


async def test_gaps_are_between_events(bent):
    assert await bent({"gap_ms": 30}, AS_ONE) == LEGACY
    assert bent.clock.slept_ms == [30, 30, 30]


async def test_a_gap_also_comes_before_a_stream_is_cut_so_that_the_reader_has_had_what_came(bent):
    assert await bent({"gap_ms": 30, "reset_after_events": 2}, AS_ONE) == LEGACY[:2]
    assert bent.clock.slept_ms == [30, 30]
    assert await bent({"gap_ms": 5, "eof_after_events": 0}, AS_ONE) == []
    assert await bent({"gap_ms": 7, "duplicate_event": 1, "eof_after_events": 1}, AS_ONE) == [LEGACY[0], LEGACY[0]]
    assert bent.clock.slept_ms == [30, 30, 7, 7]


@pytest.mark.parametrize("which", [4, "done"])
async def test_the_closing_event_by_number_and_by_name(bent, which):
    assert await bent({"duplicate_event": which}) == [*LEGACY, LEGACY[3]]
    assert await bent({"drop_event": which}) == LEGACY[:3]
    assert (await bent({"malform_event": which}))[3] == b"data: [DO\n\n"


@pytest.mark.parametrize(
    ("closing", "kind"),
    [
        (b'event: message_stop\ndata: {"type":"message_stop"}\n\n', "text/event-stream"),
        (b'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n', "text/event-stream; charset=utf-8"),
        (b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n', "text/event-stream"),
        (b'{"done":true}\n', "application/x-ndjson"),
    ],
)
async def test_what_closes_a_stream_in_other_dialects(bent, closing, kind):
    first = b"data: {}\n\n" if kind.startswith("text") else b'{"done":false}\n'
    assert await bent({"drop_event": "done"}, [first, closing], kind=kind) == [first]


async def test_an_event_that_is_dropped_doubled_or_malformed(bent):
    assert await bent({"drop_event": 2}) == [LEGACY[0], *LEGACY[2:]]
    assert await bent({"duplicate_event": 2}) == [*LEGACY[:2], *LEGACY[1:]]
    seen = await bent({"malform_event": 2})
    assert (seen[0], seen[2:]) == (LEGACY[0], LEGACY[2:])
    assert seen[1] == b'data: {"respons\n\n'


async def test_a_malformed_event_keeps_whole_characters(bent):
    event = 'event: x\ndata: "äöüäöü"\n\n'.encode()
    (seen,) = await bent({"malform_event": 1}, [event])
    assert seen.decode() == 'event: x\ndata: "äöü\n\n'


ERROR_EVENTS = [
    (RUN, {"error": {"message": "AiError: Internal server error", "type": "server_error", "code": 500}}, None),
    (
        http(OPENAI_URL),
        {
            "error": {
                "message": "The server had an error while processing your request.",
                "type": "server_error",
                "param": None,
                "code": "server_error",
            }
        },
        None,
    ),
    (
        http("https://api.openai.com/v1/responses"),
        {
            "type": "error",
            "sequence_number": 0,
            "code": "server_error",
            "message": "The server had an error while processing your request.",
            "param": None,
        },
        "error",
    ),
    (http(GEMINI_URL), {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}, None),
]


@pytest.mark.parametrize(("asked", "told", "name"), ERROR_EVENTS, ids=["workers-ai", "openai", "responses", "gemini"])
async def test_an_error_in_the_stream_takes_the_place_of_an_event_and_ends_it(bent, asked, told, name):
    *passed, error = await bent({"error_event": 2}, asked=asked)
    assert passed == LEGACY[:1]
    head, _, data = error.decode().rpartition("data: ")
    assert (head, json.loads(data), error[-2:]) == (f"event: {name}\n" if name else "", told, b"\n\n")
    assert (bent.broke, bent.source.closed) == (False, True)


async def test_an_error_in_the_stream_can_be_a_certain_one(bent):
    (event,) = await bent({"error_event": 1, "code": "overloaded_error"}, asked=http(ANTHROPIC_URL))
    head, data = event.decode().split("\n", 1)
    assert head == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    (line,) = await bent({"error_event": 1}, [b"{}\n"], kind="application/x-ndjson", asked=http("http://localhost/api/chat"))
    assert json.loads(line) == {"error": "The server had an error while processing your request."}


@pytest.mark.parametrize(
    ("event", "reason", "after"),
    [
        ({"choices": [{"delta": {}, "finish_reason": "stop"}]}, "length", {"choices": [{"delta": {}, "finish_reason": "length"}]}),
        ({"choices": [{"delta": {}, "finish_reason": None}]}, "length", None),
        (
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            "length",
            {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
        ),
        ({"type": "message", "stop_reason": "end_turn"}, "pause_turn", {"type": "message", "stop_reason": "pause_turn"}),
        ({"candidates": [{"finishReason": "STOP"}]}, "content_filter", {"candidates": [{"finishReason": "SAFETY"}]}),
        ({"done": True, "done_reason": "stop"}, "length", {"done": True, "done_reason": "length"}),
        ({"response": "legacy"}, "length", None),
        (
            {"type": "response.completed", "response": {"object": "response", "status": "completed"}},
            "length",
            {
                "type": "response.incomplete",
                "response": {"object": "response", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            },
        ),
        ({"type": "response.completed", "response": {"object": "response", "status": "completed"}}, "stop", None),
    ],
)
async def test_another_reason_to_stop_in_the_words_of_each_shape(bent, event, reason, after):
    raw = f"event: {event.get('type', 'x')}\ndata: {json.dumps(event)}\n\n".encode()
    (seen,) = await bent({"finish_reason": reason}, [raw])
    if after is None:
        assert seen == raw
    else:
        head, _, data = seen.decode().rpartition("data: ")
        assert (head, json.loads(data)) == (f"event: {after.get('type', 'x')}\n", after)


async def test_characters_are_split_and_nothing_is_lost(bent):
    whole = 'data: {"response":"Grüße 👋"}\n\n'.encode()
    seen = await bent({"split_utf8": True}, [whole])
    assert b"".join(seen) == whole
    assert len(seen) == 4
    for piece in seen[:-1]:
        with pytest.raises(UnicodeDecodeError):
            piece.decode()


async def test_a_wrong_type_and_everything_else_untouched(bent):
    assert await bent({"wrong_content_type": True}) == LEGACY
    assert bent.reply.response.headers == [("content-length", "99"), ("cf-x", "1"), ("content-type", "application/json")]
    await bent({"wrong_content_type": "text/html"})
    assert bent.reply.response.header("content-type") == "text/html"
    await bent({"wrong_content_type": True}, [b"{}"], kind="application/json")
    assert bent.reply.response.header("content-type") == "text/plain"


async def test_a_run_that_cannot_be_resumed_has_an_id_that_nobody_knows(bent):
    async def run_id(do: dict) -> str | None:
        reply = Reply(Response(200, [("content-type", "text/event-stream"), ("cf-aig-run-id", "r1")], Stream(LEGACY)), Source.BACKEND)
        return (await after(firing(do), reply, bent.pacer)).response.header("cf-aig-run-id")

    assert await run_id({"reset_after_events": 2}) == "r1"
    assert await run_id({"reset_after_events": 2, "resume_expired": True}) == "expired-r1"


async def test_what_is_known_of_the_reply_stays_and_its_length_goes(bent):
    await bent({"drop_event": 1})
    assert (bent.reply.source, bent.reply.recording) == (Source.RECORDING, "default/one")
    assert bent.reply.response.headers == [("content-type", "text/event-stream"), ("cf-x", "1")]


async def test_a_whole_answer_is_one_event(bent):
    def whole() -> Reply:
        return Reply(Response(200, [("content-type", "application/json")], b'{"response":"hi"}'), Source.STUB)

    async def body(do: dict) -> bytes:
        return await read((await after(firing(do), whole(), bent.pacer)).response)

    assert await body({"malform_event": 1}) == b'{"respon'
    assert await body({"drop_event": 1}) == b""
    assert await body({"finish_reason": "length"}) == b'{"response":"hi"}'
    with pytest.raises(NetworkFailure):
        await body({"reset_after_events": 0})


async def test_lines_of_a_stream_without_blank_lines(bent):
    assert await bent({"eof_after_events": 2}, [b'{"a":1}\n{"a"', b":2}\n", b'{"a":3}'], kind="application/x-ndjson") == [
        b'{"a":1}\n',
        b'{"a":2}\n',
    ]
    assert await bent({"gap_ms": 1}, [b'{"a":1}\n{"a"', b":2}"], kind="application/x-ndjson") == [b'{"a":1}\n', b'{"a":2}']


async def test_a_fault_in_place_of_an_answer_is_not_bent_again(bent):
    reply = await before(firing({"status": 500, "wrong_content_type": "text/html"}), RUN, bent.pacer)
    assert await after(firing({"status": 500, "wrong_content_type": "text/html"}), reply, bent.pacer) is reply

"""No secret reaches a file, in whatever form and however cut; what looks like one blocks the write (A10, A25, A26)."""

from __future__ import annotations

import base64
import itertools
import json
import re
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emulator.config import AiMode
from emulator.config.ai import RedactRule
from emulator.errors import ConfigError
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, key_of
from emulator.gateway.ai.classify import http_request
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.recorder.secret_forms import KnownSecrets, forms
from emulator.gateway.ai.recorder.secret_patterns import PII_RULES, unknown_secrets, unknown_secrets_in_bytes

from .recording_tape import JSON, SSE, Tape, asked, events

SECRET = 'pa/ss+wörd"&<42>'
PLAIN = "correct-horse-battery"


def fake(*parts: str) -> str:
    """A made-up token, put together here so that no scanner takes this file for a leak."""
    return "".join(parts)


TOKENS = {
    "Anthropic key": fake("sk-", "ant-api03-", "aB3d" * 8),
    "OpenAI key": fake("sk-", "proj-", "aB3_-" * 8),
    "OpenAI-style key": fake("sk-", "aB3dE6gH" * 4),
    "Google API key": fake("AI", "za", "Sy0_-" * 7),
    "Google OAuth token": fake("ya29", ".", "aB3d" * 8),
    "AWS access key": fake("AK", "IA", "IOSFODNN7EXAMPLE"),
    "AWS secret key": fake("aws_secret_", "access_key=", "aB3/" * 10),
    "GitHub token": fake("gh", "p_", "aB3d" * 9),
    "GitLab token": fake("glp", "at-", "aB3d" * 5),
    "Cloudflare token": fake("CLOUDFLARE_API_", "TOKEN=", "aB3d" * 10),
    "Cloudflare origin key": fake("v1.0", "-", "a" * 24, "-", "b" * 146),
    "Slack token": fake("xo", "xb-", "123456789012-abc"),
    "Slack webhook": fake("https://hooks.slack", ".com/services/", "T0123456/B0123456/", "aB3d" * 6),
    "Stripe key": fake("sk", "_live_", "aB3d" * 6),
    "Hugging Face token": fake("h", "f_", "aB3d" * 9),
    "Groq key": fake("gs", "k_", "aB3d" * 12),
    "npm token": fake("np", "m_", "aB3d" * 9),
    "JSON Web Token": fake("ey", "JhbGciOiJI", ".ey", "JzdWIiOiIx", ".c2ln"),
    "private key": fake("-----BEGIN RSA ", "PRIVATE KEY-----"),
    "bearer token": fake("Bear", "er abcdef0123456789xyz"),
}
HARMLESS = [
    "risk-based-authentication-2024 and scikit sk-learn-based-classifier-2024",
    "Bearer authentication-is-a-scheme-of-http",
    "set OPENAI_API_KEY to sk-... as in the documentation",
    "chatcmpl-9fXk2LmNoPqRsTuVwXyZ0123456789AB call_abcdefghijklmnop0123456789",
    "3fa9c1d2-0000-4000-8000-1234567890ab eyJhbGciOiJIUzI1NiJ9 alone is a header",
    "-----BEGIN PUBLIC KEY-----",
]


def in_every_form(secret: str) -> list[str]:
    data = secret.encode()
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(secret)),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        *(base64.b64encode(b"x" * before + data + b"y" * after).decode() for before in range(3) for after in range(3)),
        *(base64.urlsafe_b64encode(b"x" * before + data).decode() for before in range(3)),
        base64.b64encode(b"user:" + data).decode(),
    ]


def holds(data: bytes, secret: str) -> list[str]:
    """The forms of `secret` that stand in `data`, looked for without the code under test."""
    text = data.decode("utf-8", "replace")
    raw = secret.encode()
    found = [form for form in (secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1]) if form in text]
    for before in range(3):
        core = base64.b64encode(bytes(before) + raw).decode()[(0, 2, 3)[before] :].rstrip("=")[:-1]
        if core in text or core.replace("+", "-").replace("/", "_") in text:
            found.append(core)
    return found


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    tape = Tape(tmp_path / "fixtures", {"API_KEY": SECRET, "OTHER": PLAIN, "CLOUDFLARE_ACCOUNT_ID": "0123456789abcdef0123456789abcdef"})
    tape.recorder.begin(AiMode.NEW)
    return tape


@pytest.mark.parametrize("secret", [SECRET, PLAIN])
@pytest.mark.parametrize("number", range(len(in_every_form(SECRET))))
def test_each_form_of_a_secret_becomes_its_name(secret, number):
    redaction = Redaction(lambda: {"KEY": secret})
    form = in_every_form(secret)[number]
    for redacted in (redaction.text(f"before {form} after"), redaction.data(f"before {form} after".encode()).decode()):
        assert "{{secret:KEY}}" in redacted and not holds(redacted.encode(), secret)
        assert redacted.startswith("before ") and redacted.endswith(" after")


@pytest.mark.parametrize("secret", [SECRET, PLAIN])
async def test_a_planted_secret_is_nowhere_in_the_cassette(tape, secret):
    for form in in_every_form(secret):
        inner = secret if "\\\\" in form else form  # what is escaped twice already is not put into another wrapping
        path, query = urllib.parse.quote(inner, safe=""), urllib.parse.urlencode({"key": secret, "q": inner})
        url = f"https://api.example.com/v1/{path}?{query}"
        headers = [("authorization", f"Bearer {secret}"), ("X-Custom", form), ("content-type", "application/json"), ("openai-beta", form)]
        body = json.dumps({"model": "m", "text": form, form: 1, "nested": json.dumps({"a": [inner]})}).encode()
        answer = json.dumps({"echo": form, form: [form]}).encode()
        await tape.hear(http_request("POST", url, headers, body), answer, [*JSON, ("Set-Cookie", form), ("cf-ai-x", form), ("X-Key", form)])
        await tape.hear(http_request("GET", url, headers, b""), form.encode(), [("content-type", "text/plain")])
        await tape.hear(asked(form, stream=True), events(json.dumps({"response": form}), form.replace("\n", "")), SSE)
        await tape.hear(asked("bytes " + form), [b"\xff\x00", form.encode()], [("content-type", "application/octet-stream")])
    assert tape.recorder.commit().problems == []
    assert len(tape.recordings()) > 4
    assert not holds(tape.everything(), secret)


@pytest.mark.parametrize("cut", [1, 7, 23, 30])
async def test_a_secret_cut_by_a_chunk_boundary_is_replaced_and_the_other_bytes_stay(tape, cut):
    data = f'data: {{"response":"the key is {PLAIN}!"}}\n\ndata: [DONE]\n\n'.encode()
    at = data.index(PLAIN.encode()) - 5 + cut
    await tape.hear(asked(stream=True), [data[:at], data[at:]], SSE)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert tape.bytes_of(recording) == data.replace(PLAIN.encode(), b"{{secret:OTHER}}")
    assert len(recording.answer().chunks) == 2 and not recording.edited()


async def test_a_secret_said_token_by_token_is_replaced_in_the_first_event(tape):
    pieces = ["the key is ", "correct-", "horse", "-bat", "tery", ", good"]
    chunks = events(*(json.dumps({"choices": [{"delta": {"content": piece}}], "id": "chatcmpl-1"}) for piece in pieces))
    await tape.hear(asked(stream=True), chunks, SSE)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    said = [event["json"]["choices"][0]["delta"]["content"] for event in recording.response["stream"]["events"] if "json" in event]
    assert [piece for piece in said if piece] == ["{{secret:OTHER}}"] or "".join(said) == "the key is {{secret:OTHER}}, good"
    assert len(recording.answer().chunks) == len(chunks)


async def test_an_unknown_token_said_in_pieces_blocks_the_write(tape):
    token = TOKENS["Anthropic key"]
    await tape.hear(asked(stream=True), events(*(json.dumps({"response": token[at : at + 4]}) for at in range(0, len(token), 4))), SSE)
    (problem,) = tape.recorder.commit().problems
    assert problem.code == "E507" and "$.response.stream.events[*].json.response: Anthropic key" in problem.where
    assert token.encode() not in tape.everything()


@pytest.mark.parametrize("what", TOKENS)
async def test_what_looks_like_a_secret_blocks_the_write_and_names_the_path(tape, what):
    token = TOKENS[what]
    calls = {
        "$.request.body.messages[0].content": (asked(token), b"{}", JSON),
        "$.response.json.a[0].b": (asked("json"), json.dumps({"a": [{"b": token}]}).encode(), JSON),
        "$.response.text": (asked("text"), f"x {token}".encode(), [("content-type", "text/plain")]),
        "$.response.stream.events[1].json.response": (asked("sse"), events('{"response":"a"}', f'{{"response":"{token}"}}'), SSE),
        "$.response.headers.cf-aig-x": (asked("header"), b"{}", [*JSON, ("cf-aig-x", token)]),
        "$.response.blob": (asked("blob"), b"\xff\x00 " + token.encode() + b" \xff", [("content-type", "image/png")]),
        "$.response.stream": (asked("cut"), [token[:9].encode(), token[9:].encode()], [("content-type", "text/plain")]),
    }
    for path, (request, body, headers) in calls.items():
        before = len(tape.problems)
        await tape.hear(request, body, headers)
        tape.recorder.commit()
        (problem,) = tape.problems[before:]
        assert problem.code == "E507" and f"{path}: {what}" in problem.where, problem.render()
        assert token not in problem.render()
    assert token.encode() not in tape.everything() and tape.recordings() == []


async def test_a_token_across_windows_of_a_long_body_blocks_the_write(tape):
    token = TOKENS["GitHub token"].encode()
    body = b"\x00" * (65536 - 10) + b" " + token + b" " + b"\x00" * 3_000_000
    await tape.hear(asked("film"), [body[at : at + 50_000] for at in range(0, len(body), 50_000)], [("content-type", "video/mp4")])
    assert [problem.code for problem in tape.recorder.commit().problems] == ["E507"]


async def test_a_known_secret_in_a_long_body_is_replaced_wherever_a_window_ends(tape):
    size = 2 * 1024 * 1024 + 5
    body = bytearray(b"\x01" * size)
    for offset in (0, 65536 - 10, 65536 * 2, 200_000, size - len(PLAIN)):
        body[offset : offset + len(PLAIN)] = PLAIN.encode()
    pieces = [bytes(body[at : at + 10_000]) for at in range(0, size, 10_000)]
    await tape.hear(asked("film"), pieces, [("content-type", "video/mp4")])
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert tape.bytes_of(recording) == bytes(body).replace(PLAIN.encode(), b"{{secret:OTHER}}")
    assert len(recording.answer().chunks) == len(pieces)


@pytest.mark.parametrize("text", HARMLESS)
def test_talk_about_keys_is_no_key(text):
    assert unknown_secrets(text) == [] and unknown_secrets_in_bytes(text.encode()) == []


async def test_a_new_key_an_sdk_upgrade_and_a_retry_are_no_miss(tape):
    def request(key: str, agent: str, retry: str) -> ModelRequest:
        headers = [
            ("authorization", f"Bearer {key}"),
            ("user-agent", agent),
            ("x-stainless-retry-count", retry),
            ("content-type", "application/json"),
        ]
        return http_request("POST", f"https://api.example.com/{key}/v1?key={key}", headers, json.dumps({"note": f"use {key}"}).encode())

    redaction = Redaction(lambda: tape.secrets)
    first = key_of(canonical(redaction.request(request(PLAIN, "OpenAI/JS 5.0", "0"))))
    await tape.hear(request(PLAIN, "OpenAI/JS 5.0", "0"), b"{}")
    tape.recorder.commit()
    tape.secrets = {"OTHER": "a-rotated-and-longer-key"}
    second = key_of(canonical(redaction.request(request("a-rotated-and-longer-key", "OpenAI/JS 7.57", "1"))))
    (recording,) = tape.recordings()
    assert first == second == recording.key(())


def test_a_redacted_request_stays_as_it_is_and_the_given_one_is_not_touched():
    redaction = Redaction(
        lambda: {"KEY": PLAIN}, [RedactRule("who", path="$.request.body.user.name"), RedactRule("order", regex=r"ORD-\d+")]
    )
    body = {"user": {"name": "Ada"}, "text": f"{PLAIN} ORD-17"}
    request = ModelRequest(Kind.RUN, "@cf/x/y", body, gateway={"metadata": {"k": PLAIN}}, options={"tags": [PLAIN]})
    once = redaction.request(request)
    assert once.body == {"user": {"name": "{{redacted:who}}"}, "text": "{{secret:KEY}} {{redacted:order}}"}
    assert once.gateway == {"metadata": {"k": "{{secret:KEY}}"}} and once.options == {"tags": ["{{secret:KEY}}"]}
    assert redaction.request(once) == once
    assert body == {"user": {"name": "Ada"}, "text": f"{PLAIN} ORD-17"}


def test_headers_are_there_for_matching_and_gone_for_storing():
    request = ModelRequest(
        Kind.UNIVERSAL,
        "universal/g",
        [{"provider": "openai", "headers": {"Authorization": "x", "Content-Type": "application/json"}, "query": {}}],
        {"x-custom": "1", "anthropic-version": "2023-06-01", "cf-aig-authorization": "y"},
    )
    redaction = Redaction(dict)
    assert redaction.request(request) == request
    stored = redaction.stored(request)
    assert stored.headers == {"anthropic-version": "2023-06-01"}
    assert stored.body[0]["headers"] == {"Content-Type": "application/json"}
    assert key_of(canonical(stored)) == key_of(canonical(request))


async def test_account_ids_are_replaced_known_or_in_a_url(tape):
    for account in ("0123456789abcdef0123456789abcdef", "f" * 32):
        url = f"https://api.cloudflare.com/client/v4/accounts/{account}/ai/run/@cf/x/y"
        await tape.hear(http_request("POST", url, JSON, b"{}"), json.dumps({"see": f"/accounts/{account}/x"}).encode())
    tape.recorder.commit()
    first, second = tape.recordings()
    assert first.request == second.request and "/accounts/{{account}}/ai/run" in first.request.target
    assert first.response["json"] == {"see": "/accounts/{{account}}/x"}


async def test_rules_by_path_and_by_pattern(tmp_path):
    rules = [
        RedactRule("name", path="$.response.json..name"),
        RedactRule("delta", path="$.response.stream.events[*].json.secret"),
        RedactRule("order", regex=r"ORD-\d+"),
    ]
    tape = Tape(tmp_path, rules=rules)
    tape.recorder.begin(AiMode.NEW)
    await tape.hear(asked("ORD-1 json"), b'{"people":[{"name":"Ada"},{"name":"Grace"}],"order":"ORD-22"}')
    await tape.hear(asked("odd"), b'{"name" : "Ada"}')
    chunks = events('{"secret":{"a":1},"x":1}', '{"secret" : "b"}', '{"x":2}')
    await tape.hear(asked("sse"), [b"".join(chunks)[:10], b"".join(chunks)[10:]], SSE)
    tape.recorder.commit()
    by_text = {recording.request.body["messages"][0]["content"]: recording for recording in tape.recordings()}
    assert json.loads(tape.bytes_of(by_text["{{redacted:order}} json"])) == {
        "people": [{"name": "{{redacted:name}}"}] * 2,
        "order": "{{redacted:order}}",
    }
    assert tape.bytes_of(by_text["odd"]) == b'{"name":"{{redacted:name}}"}'
    stream = by_text["sse"]
    expected = events('{"secret":"{{redacted:delta}}","x":1}', '{"secret":"{{redacted:delta}}"}', '{"x":2}')
    assert tape.bytes_of(stream) == b"".join(expected)
    assert not stream.edited() and len(stream.answer().chunks) == 2


@pytest.mark.parametrize("rule", [RedactRule("x", regex="("), RedactRule("x", path="$.a[")])
def test_a_rule_that_cannot_be_read(rule):
    with pytest.raises(ConfigError) as error:
        Redaction(dict, [rule])
    assert error.value.code == "E117" and "'x'" in error.value.what


def test_personal_data_on_request():
    redaction = Redaction(dict, PII_RULES)
    text = "mail ada@example.org, call +49 170 1234567, pay 4111 1111 1111 1111 to DE89 3704 0044 0532 0130 00; order 4711, 2026-11-22"
    assert redaction.text(text) == (
        "mail {{redacted:email}}, call {{redacted:phone}}, pay {{redacted:card}} to {{redacted:iban}}; order 4711, 2026-11-22"
    )


def test_short_values_are_no_secrets_and_of_two_names_the_first_is_told():
    redaction = Redaction(lambda: {"PORT": "8787", "Z": PLAIN, "A": PLAIN})
    assert redaction.text(f"8787 {PLAIN}") == "8787 {{secret:A}}"


def test_findings_of_a_committed_recording():
    redaction = Redaction(lambda: {"KEY": PLAIN})
    document = {"request": {"body": [PLAIN]}, "response": {"json": {"a b": TOKENS["Groq key"]}}}
    assert {(finding.what, finding.path) for finding in redaction.findings(document)} == {
        ("the value of {{secret:KEY}}", "$.request.body[0]"),
        ("Groq key", "$.response.json['a b']"),
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cs", "Zs", "Cc"]), min_size=8, max_size=24),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
    window=st.integers(1, 40),
)
@example(secret="00000000", before=b"", after=b"", window=1)
def test_no_alignment_and_no_window_lets_a_secret_through(secret, before, after, window):
    known = Redaction(lambda: {"K": secret})
    for data in (before + secret.encode() + after, base64.b64encode(before + secret.encode() + after), json.dumps([secret]).encode()):
        edits = known.known_edits(data[at : at + window] for at in range(0, len(data), window))
        assert edits == known.known_edits([data]) and edits
        assert all(first.end <= second.start for first, second in itertools.pairwise(edits))


@settings(deadline=None)
@given(st.text(min_size=8, max_size=40))
def test_every_form_is_found_by_its_anchor(secret):
    value = secret.strip()
    if len(value) < 8:
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    known = KnownSecrets({"K": value})
    for form in forms(value):
        assert known.may_be_in(form) and list(known.in_bytes(form.encode())) and list(known.in_text(form))


@pytest.mark.parametrize("size", [100, 20_000, 3_000_000])
async def test_rules_of_the_project_reach_into_long_bodies(tmp_path, size):
    tape = Tape(tmp_path, rules=[RedactRule("name", path="$..name"), RedactRule("order", regex=r"ORD-\d+")])
    tape.recorder.begin(AiMode.NEW)
    body = {"people": [{"name": "Ada Lovelace"}], "filler": "x" * size, "order": "ORD-17"}
    await tape.hear(asked("whole"), [json.dumps(body).encode()])
    lines = [json.dumps(body).encode() + b"\n", b'{"name":"Ada Lovelace"}\n']
    await tape.hear(asked("lines"), lines, [("content-type", "application/x-ndjson")])
    assert tape.recorder.commit().problems == []
    assert b"ORD-17" not in tape.everything() and b"Lovelace" not in tape.everything()
    assert len(tape.recordings()) == 2


@pytest.mark.parametrize("secret", [PLAIN, TOKENS["GitHub token"]])
async def test_a_secret_in_pieces_in_a_very_long_stream_blocks_the_write(tape, secret):
    pieces = ["x" * 900] * 3000
    pieces[1500:1500] = ["key: ", *secret, " it is"]
    chunks = events(*(json.dumps({"response": piece}) for piece in pieces))
    await tape.hear(asked(stream=True), [b"".join(chunks[at : at + 50]) for at in range(0, len(chunks), 50)], SSE)
    (problem,) = tape.recorder.commit().problems
    assert problem.code == "E507" and "joined response" in problem.where

"""Recordings of other tools, imported and replayed to the real clients; files that are broken (ai-binding.md 7.7, A35).

`import_samples/` holds small projects whose files the real tools wrote: vcrpy 9.4, aimock 1.43.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emulator.errors import RecordingError
from emulator.gateway.ai.answers import StreamEnd
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.matching import Hit, select
from emulator.gateway.ai.classify import http_request
from emulator.gateway.ai.curation.importing import Found
from emulator.gateway.ai.curation.importing.aimock import Pool, at_least
from emulator.gateway.ai.curation.importing.har import read_har
from emulator.gateway.ai.curation.importing.jsonl import read_jsonl
from emulator.gateway.ai.curation.importing.spoken import Dialect
from emulator.gateway.ai.curation.importing.vcr import read_vcr
from emulator.gateway.ai.curation.importing.writing import Import, Written
from emulator.gateway.ai.recorder.redaction import Redaction

SAMPLES = Path(__file__).parent / "import_samples"
OPENAI = "https://api.openai.com/v1"


def sample(tool: str) -> ModuleType:
    """The project of a sample: its own tests."""
    path = SAMPLES / tool / f"project_{tool}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imported(folder: Path, *found: Found, secrets: dict[str, str] | None = None, cassette: str | None = None) -> Written:
    work = Import(folder, cassette, Redaction(lambda: secrets or {}), lambda: datetime(2026, 11, 22, tzinfo=UTC))
    for one in found:
        for item in one.items:
            work.add(item)
    return work.finish()


class Replay(BaseHTTPRequestHandler):
    """A server that answers from recordings as if it were the public address: whatever library a client uses, this is what it meets."""

    protocol_version = "HTTP/1.1"
    library: Library
    used: Counter[tuple[str, str, str]]
    misses: list[str]

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        host = "https://api.anthropic.com" if self.path.startswith("/v1/messages") else "https://api.openai.com"
        asked = http_request("POST", host + self.path, list(self.headers.items()), body)
        found = select(self.library.shelf(), asked, self.used)
        if not isinstance(found, Hit):
            self.misses.append(f"{found} for {asked.target} {asked.body}")
            self.send_error(599)
            return
        self.used[found.recording.identity] += 1
        answer = found.recording.answer()
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in [answer.body] if answer.chunks is None else [chunk.data for chunk in answer.chunks]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if answer.end is StreamEnd.RESET:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def replaying(folder: Path) -> Iterator[str]:
    """The server's base URL. Every request must find its recording."""
    misses: list[str] = []
    handler = type("Handler", (Replay,), {"library": Library([folder], recheck_ms=0), "used": Counter(), "misses": misses})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    assert misses == []


@pytest.fixture(scope="module")
def vcr_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("yaml")
    folder = tmp_path_factory.mktemp("vcr")
    done = imported(folder, *(read_vcr(file) for file in sorted((SAMPLES / "vcr" / "cassettes").glob("*.yaml"))))
    assert (len(done.written), done.notes, done.blocked) == (7, [], [])
    return folder


@pytest.fixture(scope="module")
def aimock_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aimock")
    pool = Pool()
    files = ("fixtures/assistant.json", "recorded/openai-1.json", "recorded/openai-2.json")
    done = imported(folder, *(pool.read(SAMPLES / "aimock" / name) for name in files))
    assert (done.notes, done.blocked) == ([], [])
    return folder


@pytest.mark.parametrize("name", ["plain", "stream", "tools", "retry", "embed"])
def test_a_vcrpy_project_replays(vcr_fixtures: Path, name: str) -> None:
    openai = pytest.importorskip("openai")
    with replaying(vcr_fixtures) as url:
        sample("vcr").TESTS[name](openai.OpenAI(api_key="unused", max_retries=0, base_url=f"{url}/v1"))


AIMOCK_TESTS = (
    "greeting", "greeting_streamed", "greeting_by_responses", "tool_loop", "sequence", "rate_limit", "system_message", "cut_off",
    "embedding", "claude", "recorded",
)  # fmt: skip


@pytest.mark.parametrize("name", AIMOCK_TESTS)
def test_an_aimock_project_replays(aimock_fixtures: Path, name: str) -> None:
    anthropic, openai = pytest.importorskip("anthropic"), pytest.importorskip("openai")
    project = sample("aimock")
    assert tuple(project.TESTS) == AIMOCK_TESTS
    with replaying(aimock_fixtures) as url:
        claude = anthropic.Anthropic(api_key="unused", max_retries=0, base_url=url)
        project.TESTS[name](project.Clients(openai.OpenAI(api_key="unused", max_retries=0, base_url=f"{url}/v1"), claude))


def test_what_was_imported_is_not_imported_again(vcr_fixtures: Path, aimock_fixtures: Path) -> None:
    before = {path: path.read_bytes() for folder in (vcr_fixtures, aimock_fixtures) for path in folder.rglob("*.json")}
    again = imported(vcr_fixtures, *(read_vcr(file) for file in sorted((SAMPLES / "vcr" / "cassettes").glob("*.yaml"))))
    assert (again.written, again.same) == ([], 7)
    stubs = imported(aimock_fixtures, Pool().read(SAMPLES / "aimock" / "fixtures" / "assistant.json"))
    assert stubs.written == []
    assert {path: path.read_bytes() for path in before} == before


def test_imports_say_where_they_come_from(vcr_fixtures: Path, aimock_fixtures: Path) -> None:
    for folder in (vcr_fixtures, aimock_fixtures):
        documents = [json.loads(path.read_text()) for path in (folder / "ai" / "imported").glob("*.json")]
        assert {document["source"] for document in documents} == {"imported"}
    stream = next(document for document in documents if document["id"].endswith("-hello-chat-stream"))
    assert stream["notes"] == "from aimock: assistant.json $.fixtures[0]"


def exchange(body: str = "{}", answer: str = '{"ok": true}', **more: Any) -> dict[str, Any]:
    response = {"status": {"code": 200, "message": "OK"}, "headers": {"content-type": ["application/json"]}, "body": {"string": answer}}
    return {"request": {"method": "POST", "uri": f"{OPENAI}/x", "headers": {}, "body": body}, "response": {**response, **more}}


def cassette(tmp_path: Path, *interactions: Any, name: str = "c.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps({"version": 1, "interactions": list(interactions)}))
    return path


def test_secrets_do_not_come_along(tmp_path: Path) -> None:
    known = exchange('{"key": "my-very-own-secret"}')
    unknown = exchange('{"q": 1}', json.dumps({"leak": "sk-" + "proj-" + "Ab3" * 16}))
    done = imported(tmp_path, read_vcr(cassette(tmp_path, known, unknown)), secrets={"MY_KEY": "my-very-own-secret"})
    [path] = done.written
    assert json.loads(path.read_text())["request"]["body"] == {"key": "{{secret:MY_KEY}}"}
    [error] = done.blocked
    assert error.code == "E507"
    assert (error.where or "").startswith(f"{tmp_path}/c.json $.interactions[1]\n$.response.json.leak")


def test_an_entry_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    packed = exchange(headers={"content-encoding": ["zstd"]})
    wrong = exchange(headers={"content-encoding": ["gzip"]})
    whole = exchange(headers={"content-type": ["application/json"], "Content-Encoding": ["gzip"]})
    whole["response"]["body"] = {"base64_string": base64.b64encode(gzip.compress(b'{"packed": true}')).decode()}
    found = read_vcr(cassette(tmp_path, {"request": {}}, packed, wrong, whole))
    done = imported(tmp_path, found)
    notes = [(note.place.rpartition(" ")[2], note.what) for note in (*found.notes, *done.notes)]
    assert notes == [
        ("$.interactions[0]", "left out, it is not readable: 'response' is missing"),
        ("$.interactions[1]", "left out, its body is compressed with zstd; record it decompressed"),
        ("$.interactions[2]", "left out, its body is not the gzip that its header says"),
    ]
    assert [json.loads(path.read_text())["response"]["json"] for path in done.written] == [{"packed": True}]


def test_older_forms_of_vcr_cassettes(tmp_path: Path) -> None:
    old_httpx = {"request": exchange()["request"], "response": {"status_code": 201, "headers": {}, "content": "made"}}
    parsed = exchange(parsed_body={"a": [1]})
    del parsed["response"]["body"]
    ruby = {"request": {**exchange()["request"], "body": {"encoding": "UTF-8", "string": "{}"}}, "response": exchange()["response"]}
    (tmp_path / "ruby.json").write_text(json.dumps({"http_interactions": [{**ruby, "recorded_at": "2026-01-02T03:04:05Z"}]}))
    first, second = read_vcr(cassette(tmp_path, old_httpx, parsed)).items
    assert (first.status, first.chunks) == (201, ((0, b"made"),))  # type: ignore[union-attr]
    assert second.chunks == ((0, b'{"a": [1]}'),)  # type: ignore[union-attr]
    [path] = imported(tmp_path, read_vcr(tmp_path / "ruby.json")).written
    assert json.loads(path.read_text())["recorded"]["at"].startswith("2026-01-02T03:04:05")


HAR_ENTRY = {
    "startedDateTime": "2026-11-20T10:00:00.5+01:00",
    "request": {
        "method": "POST",
        "url": f"{OPENAI}/responses",
        "headers": [],
        "postData": {"mimeType": "application/json", "text": '{"input": "hi"}'},
    },
    "response": {
        "status": 200,
        "headers": [{"name": "content-type", "value": "text/event-stream"}, {"name": "content-encoding", "value": "br"}],
        "content": {"mimeType": "text/event-stream", "text": 'data: {"a": 1}\n\ndata: {"a":2}\n\n'},
    },
    "timings": {"wait": 120.4},
}


def test_har_entries(tmp_path: Path) -> None:
    packed = {"text": base64.b64encode(b"\x89PNG").decode(), "encoding": "base64"}
    picture = {**HAR_ENTRY, "response": {"status": 200, "headers": [], "content": packed}}
    unsaved = {**HAR_ENTRY, "response": {"status": 200, "headers": [], "content": {"size": 5}}}
    socket = {**HAR_ENTRY, "request": {"method": "GET", "url": "wss://example.com/"}}
    failed = {**HAR_ENTRY, "response": {"status": 0}}
    path = tmp_path / "s.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": [HAR_ENTRY, picture, unsaved, socket, failed, "odd"]}}))
    found = read_har(path)
    assert [note.what for note in found.notes] == [
        "left out, its body was not saved",
        "left out, it is no HTTP request: wss://example.com/",
        "left out, it has no answer",
        "left out, it is not readable: string indices must be integers, not 'str'",
    ]
    stream, image = (json.loads(path.read_text()) for path in sorted(imported(tmp_path, found).written))
    assert stream["recorded"]["at"].startswith("2026-11-20T09:00:00")
    assert [event["t"] for event in stream["response"]["stream"]["events"]] == [120, 120]
    assert stream["response"]["stream"]["events"][0]["text"] == '{"a": 1}', "text that JSON would not give again stays as it is"
    assert image["response"]["blob"]["file"].endswith(".bin")


@pytest.mark.parametrize(
    ("reader", "text", "place", "what"),
    [
        (read_vcr, "interactions: [", ":", "it is not YAML"),
        (read_vcr, "{\n ]", ":2:2", "it is not JSON"),
        (read_vcr, "[1, 2]", " $", "it is no VCR cassette"),
        (read_vcr, '{"interactions": {}}', " $.interactions", "it must be a list"),
        (read_har, "", ":1:1", "it is not JSON"),
        (read_har, '{"log": {}}', " $.log.entries", "it is no HAR file"),
        (Pool().read, '{"fixtures": {}}', " $.fixtures", "it is no fixture file of aimock"),
        (Pool().read, '{"fixtures": [', ":1:15", "it is not JSON"),
        (read_jsonl, "{}\n", ":1", "no line of it is a recording"),
        (read_jsonl, "", ":1", "no line of it is a recording"),
    ],
)
def test_a_file_of_another_format_is_named_with_its_place(tmp_path: Path, reader: Any, text: str, place: str, what: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(RecordingError, match=what) as caught:
        reader(path)
    assert caught.value.code == "E534"
    assert (caught.value.where or "").startswith(f"{path}{place}")
    assert caught.value.hint


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "packed.yaml"
    path.write_bytes(gzip.compress(b"interactions: []"))
    with pytest.raises(RecordingError, match="not UTF-8"):
        read_vcr(path)
    with pytest.raises(RecordingError, match="cannot be read: is a directory"):
        read_vcr(tmp_path)


def test_a_foreign_line_of_an_export(tmp_path: Path) -> None:
    request = {"kind": "http", "target": "GET https://a.b/"}
    recording = {"format": 1, "id": "00-x", "source": "manual", "request": request, "response": {"status": 204}}
    path = tmp_path / "r.jsonl"
    blob = {"file": "../../evil", "sha256": "0" * 64, "media_type": "image/png"}
    lines = [
        {"cassette": "c", "recording": recording},
        {"cassette": "c", "recording": {**recording, "format": 2}},
        {"cassette": "c", "recording": {**recording, "id": "../up"}},
        {"cassette": "c", "recording": {**recording, "id": "blob", "response": {"status": 200, "blob": blob}}, "blobs": {"../../evil": ""}},
        {"cassette": "c", "recording": {**recording, "id": "odd", "response": {}}},
        {"cassette": "c", "recording": {**recording, "notes": "another"}},
        {"cassette": "c", "recording": {**recording, "id": "list", "request": []}},
        {"cassette": "c", "recording": {**recording, "id": "kind", "request": {"kind": "odd", "target": 1}}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "not json\n")
    found = read_jsonl(path)
    done = imported(tmp_path, found)
    assert [path.relative_to(tmp_path).as_posix() for path in done.written] == ["ai/c/00-x.json"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"00-x.json", "r.jsonl"}
    notes = [note.what for note in (*found.notes, *done.notes)]
    assert notes[0] == "left out, the recording has format 2; this version reads format 1"
    assert notes[1] == "left out, it is not JSON: Expecting value"
    assert notes[2].startswith("left out: unusable recording: '../up' does not match")
    assert notes[3] == "left out, its blob '../../evil' is missing"
    assert notes[4].startswith("left out: unusable recording: 'status' is a required property")
    assert "exists and says something else" in notes[5]
    assert notes[6].startswith("left out: unusable recording: [] is not of type 'object'")
    assert notes[7].endswith((" $.request.kind)", " $.request.target)"))


def test_an_aimock_fixture_says_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    fixtures = [
        {"match": {"userMessage": "a", "context": "x"}, "response": {"content": "b"}, "chaos": {"dropRate": 1}},
        {"match": {"endpoint": "video"}, "response": {"video": {}}},
        {"match": {"userMessage": "c"}, "response": {"surprise": 1}},
        {"response": {"content": "no match"}},
    ]
    path.write_text(json.dumps({"fixtures": fixtures}))
    found = Pool([Dialect.CHAT]).read(path)
    assert len(found.items) == 2
    assert [(note.place.rpartition("$")[2], note.what.partition(":")[0]) for note in found.notes] == [
        (".fixtures[0]", "its match.context has no counterpart here and is not asked for"),
        (".fixtures[0]", "its chaos is left out"),
        (".fixtures[1]", "left out, the endpoint 'video' cannot be imported"),
        (".fixtures[2]", "left out, its response is of no kind that is known here"),
        (".fixtures[3]", "left out, 'match' is missing"),
    ]


def test_times_of_aimock_streams(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    match, said = {"userMessage": "x"}, {"content": "abcdef"}
    fixtures = [
        {"match": match, "response": said, "chunkSize": 2, "latency": 10},
        {"match": match, "response": said, "chunkSize": 2, "streamingProfile": {"ttft": 100, "tps": 50}},
        {
            "match": match,
            "response": said,
            "chunkSize": 2,
            "recordedTimings": {"ttftMs": 30, "interChunkDelaysMs": [5, 7]},
            "replaySpeed": 0.5,
        },
        {"match": match, "response": said, "chunkSize": 2, "latency": 10, "disconnectAfterMs": 25},
    ]
    path.write_text(json.dumps({"fixtures": fixtures}))
    items: list[Any] = Pool([Dialect.CHAT]).read(path).items
    streams = [item.document["response"]["stream"] for item in items if "stream" in item.document["response"]]
    assert [[event["t"] for event in stream["events"]] for stream in streams] == [
        [10, 20, 30, 40, 50, 60],
        [100, 120, 140, 160, 180, 200],
        [60, 70, 84, 96, 108, 120],
        [10, 20],
    ]
    assert [stream["end"] for stream in streams] == ["complete", "complete", "complete", "reset"]


@pytest.mark.parametrize("least", [0, 1, 2, 8, 9, 10, 19, 89, 99, 123])
def test_at_least(least: int) -> None:
    pattern = re.compile(at_least(least))
    assert [number for number in range(1300) if pattern.search(str(number))] == list(range(least, 1300))

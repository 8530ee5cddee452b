"""Bad files are findings: named with file, place and next step, and the other recordings keep working."""

from __future__ import annotations

import hashlib
import json

import pytest

from emulator.errors import UsageError
from emulator.gateway.ai.cassettes.library import Library

from .conftest import read_json

REQUEST = {"kind": "http", "target": "GET https://x/"}
GOOD = {"format": 1, "id": "00-x", "source": "recorded", "request": REQUEST, "response": {"status": 204}}
BLOB = {"file": "blobs/x.bin", "sha256": "0" * 64, "media_type": "audio/mpeg"}


def changed(**parts):
    return json.dumps({**GOOD, **parts})


def stream(*events, **more):
    return {"status": 200, "stream": {"framing": "sse", "events": list(events), **more}}


@pytest.mark.parametrize(
    ("text", "code", "place", "says"),
    [
        ("", "E501", ":1:1", "ends too early"),
        ('{"format": 1,\n  "id": ', "E501", ":2:9", "ends too early"),
        ("{'a': 1}", "E501", ":1:2", "not JSON"),
        ("[]", "E501", "$", "is not of type 'object'"),
        (b"\xff\xfe{}", "E501", "", "not UTF-8"),
        (changed(format=2), "E505", "$.format", "this version reads format 1"),
        (changed(format="1"), "E505", "$.format", "format '1'"),
        (changed(id="Bad Id"), "E501", "$.id", "does not match"),
        (changed(source="guessed"), "E501", "$.source", "is not one of"),
        (changed(extra=1), "E501", "$", "'extra' was unexpected"),
        (changed(request={"kind": "binding.run"}), "E501", "$.request", "'target' is a required property"),
        (changed(request={"kind": "nope", "target": "x"}), "E501", "$.request.kind", "is not one of"),
        (changed(response={"status": 200}), "E501", "$.response", "found none of them"),
        (changed(response={"status": 200, "json": 1, "text": "x"}), "E501", "$.response", "found json and text"),
        (changed(response={"status": "200", "json": 1}), "E501", "$.response.status", "is not of type 'integer'"),
        (changed(response=stream({"t": 1, "text": "a"}, {"t": -5, "text": "b"})), "E501", "$.response.stream.events[1].t", "less than"),
        (changed(response=stream({"t": 1, "jsn": "a"})), "E501", "$.response.stream.events[0]", "unexpected"),
        (changed(response=stream({"text": "a"})), "E501", "$.response.stream.events[0]", "'t' is a required"),
        (changed(response=stream({"t": 0, "b64": "???"})), "E501", "$.response.stream.events[0].b64", "not base64"),
        (changed(response=stream(end="never")), "E501", "$.response.stream.end", "is not one of"),
        (changed(match={"where": [{"path": "$.a["}]}), "E501", "$.match.where[0]", "properties"),
        (changed(match={"where": [{"path": "$.a[", "equals": 1}]}), "E501", "$.match.where[0]", "cannot read"),
        (changed(match={"where": [{"path": "$.a", "regex": "("}]}), "E501", "$.match.where[0]", "unterminated"),
        (changed(match={"repeat": "twice"}), "E501", "$.match.repeat", "is not one of"),
        (changed(response={"status": 200, "blob": BLOB}), "E501", "$.response.blob.file", "cannot read blobs/x.bin"),
        (changed(response={"status": 200, "blob": {**BLOB, "file": "../../x"}}), "E501", "$.response.blob.file", "outside"),
    ],
)
async def test_an_unusable_file_is_named_and_the_others_work(bench, cassettes, text, code, place, says):
    cassettes.recorded("00-fine", {"prompt": "hi"}, {"response": "fine"})
    path = cassettes.folder() / "00-broken.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    b = bench()
    (finding,) = b.playback.status()["broken"]
    assert finding["code"] == code
    assert finding["where"].startswith(str(path)) and finding["where"].endswith(place)
    assert says in finding["what"], finding["what"]
    assert finding["next"]
    assert (await read_json(await b.run({"prompt": "hi"})))["response"] == "fine"


def test_a_blob_that_changed_is_named_with_its_new_hash(cassettes):
    folder = cassettes.folder()
    (folder / "blobs").mkdir()
    (folder / "blobs" / "x.bin").write_bytes(b"new")
    (folder / "00-blob.json").write_text(changed(response={"status": 200, "blob": BLOB}))
    (error,) = Library([cassettes.root]).shelf().broken
    assert hashlib.sha256(b"new").hexdigest() in error.what


def test_an_id_used_twice_names_the_first_file(cassettes):
    for name in ("00-a", "01-b"):
        (cassettes.folder() / f"{name}.json").write_text(changed())
    shelf = Library([cassettes.root]).shelf()
    assert [recording.file.name for recording in shelf.recordings] == ["00-a.json"]
    assert "01-b.json" in (shelf.broken[0].where or "") and "00-a.json" in (shelf.broken[0].hint or "")


@pytest.mark.parametrize("text", ["{", '{"normalise": "iso-datetime"}', '{"normalise": ["nope"]}', "[]"])
def test_a_bad_manifest_is_named_and_its_recordings_are_used(cassettes, text):
    (cassettes.folder() / "cassette.json").write_text(text)
    (cassettes.folder() / "00-a.json").write_text(changed())
    shelf = Library([cassettes.root]).shelf()
    assert len(list(shelf.recordings)) == 1
    assert "cassette.json" in (shelf.broken[0].where or "")


def test_no_fixtures_at_all(cassettes):
    assert list(Library([cassettes.root]).shelf().recordings) == []


def test_a_mended_file_is_used_again_and_unread_files_are_left_alone(cassettes, monkeypatch):
    path = cassettes.folder() / "00-x.json"
    other = cassettes.folder() / "01-y.json"
    path.write_text("{")
    other.write_text(changed(id="01-y"))
    library = Library([cassettes.root], recheck_ms=0)
    first = library.shelf()
    assert len(first.broken) == 1
    kept = next(first.recordings)
    path.write_text(changed())
    second = library.shelf()
    assert second.broken == ()
    assert any(recording is kept for recording in second.recordings)


def test_files_are_looked_at_again_only_after_the_pause(cassettes):
    now = 0.0
    library = Library([cassettes.root], recheck_ms=500, now_ms=lambda: now)
    assert not list(library.shelf().recordings)
    (cassettes.folder() / "00-x.json").write_text(changed())
    now = 499
    assert not list(library.shelf().recordings)
    now = 500
    assert len(list(library.shelf().recordings)) == 1


def test_an_unknown_cassette_names_the_known_ones(cassettes):
    cassettes.folder("billing")
    cassettes.folder("support")
    with pytest.raises(UsageError) as error:
        Library([cassettes.root]).choose("suport")
    assert error.value.hint == "known: billing, support"


async def test_a_blob_that_goes_away_later_is_an_error_of_that_call_only(bench, cassettes):
    data = b"sound"
    folder = cassettes.folder()
    (folder / "blobs").mkdir()
    (folder / "blobs" / "x.bin").write_bytes(data)
    blob = {**BLOB, "sha256": hashlib.sha256(data).hexdigest()}
    request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "speak"}}
    cassettes.write("00-blob", {"request": request, "response": {"status": 200, "blob": blob}})
    b = bench()
    assert b.playback.status()["broken"] == []
    (folder / "blobs" / "x.bin").unlink()
    error = await read_json(await b.run({"prompt": "speak"}))
    assert (error["internalCode"], error["name"]) == (9905, "FixtureBroken")
    assert "blobs/x.bin" in error["description"]

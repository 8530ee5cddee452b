"""Files that people and other versions touch: duplicates, foreign versions, sizes, seals, the schema asked in two ways."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical
from emulator.gateway.ai.cassettes.cassette_files import is_as_written, read_sealed, recording_text, sealed, seq_of, stem
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.manifest import read_manifest
from emulator.gateway.ai.cassettes.recording import LARGEST, parse_recording
from emulator.gateway.ai.cassettes.recording_shape import surely_right, validator

GOOD = {
    "format": 1,
    "id": "00-x",
    "source": "recorded",
    "recorded": {"at": "2026-11-22T11:02:03Z", "tool": "0.1.0"},
    "request": {"kind": "binding.run", "target": "@cf/x/y", "body": {"b": 1, "a": "é\u2028"}, "headers": {"a": "b"}},
    "match": {"key": "0" * 64, "where": [{"path": "$.body", "exists": True}], "repeat": "last", "expires": "2027-01-01T00:00:00Z"},
    "response": {
        "status": 200,
        "headers": {"content-type": "text/event-stream"},
        "stream": {
            "framing": "sse",
            "events": [{"t": 1, "json": {"z": 1, "a": 2}}, {"t": 2, "event": "e", "text": "[DONE]"}, {"t": 3, "b64": "AA=="}],
            "chunks": [[1, 2], [3, 4]],
            "end": "complete",
            "sha256": "0" * 64,
        },
    },
    "usage": {"prompt_tokens": 1},
    "cost_usd": 0.1,
    "notes": "x",
}


def parsed(tmp_path, data: bytes | str):
    return parse_recording("default", tmp_path / "00-x.json", data.encode() if isinstance(data, str) else data)


def refused(tmp_path, data: bytes | str) -> RecordingError:
    with pytest.raises(RecordingError) as error:
        parsed(tmp_path, data)
    return error.value


def test_a_written_file_is_read_back_and_known_as_ours():
    data = recording_text(sealed(GOOD))
    read = read_sealed(data)
    assert is_as_written(data) and read is not None and read.untouched
    assert {name: value for name, value in read.document.items() if name != "recorded"} == {
        name: value for name, value in GOOD.items() if name != "recorded"
    }
    assert list(read.document["response"]["stream"]["events"][0]["json"]) == ["z", "a"]  # as the server said it


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_line_ends_of_a_checkout_are_no_edit(newline):
    data = recording_text(sealed(GOOD)).replace(b"\n", newline)
    assert is_as_written(data) and read_sealed(data).untouched


def test_any_change_is_noticed_and_another_layout_is_none():
    data = recording_text(sealed(GOOD))
    for before, after in (
        (b'"x"', b'"y"'),
        (b"[DONE]", b"[DONE]."),
        (b'"prompt_tokens": 1', b'"prompt_tokens": 2'),
        (b'"last"', b'"once"'),
    ):
        changed = data.replace(before, after)
        assert changed != data and not is_as_written(changed) and not read_sealed(changed).untouched
    other_layout = json.dumps(json.loads(data)).encode()
    assert not is_as_written(other_layout) and read_sealed(other_layout).untouched


def test_a_seal_does_not_hide_what_is_wrong(tmp_path):
    data = recording_text(sealed(GOOD)).replace(b'"framing": "sse"', b'"framing": "morse"')
    assert "$.response.stream.framing" in refused(tmp_path, data).where


def test_lone_surrogates_are_written_as_escapes(tmp_path):
    document = {**GOOD, "notes": "\ud800"}
    assert b"\\ud800" in recording_text(sealed(document))


def test_a_name_that_is_there_twice(tmp_path):
    text = json.dumps(GOOD).replace('"status": 200', '"status": 200, "status": 500')
    error = refused(tmp_path, text)
    assert error.code == "E501" and error.where.endswith("$.response.status") and "'status' is there twice" in error.what
    nested = json.dumps(GOOD).replace('"z": 1', '"z": 1, "z": 2')
    assert refused(tmp_path, nested).where.endswith("$.response.stream.events[0].json.z")


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        ({"recorded": {"at": "yesterday"}}, "$.recorded.at", "no date"),
        ({"match": {"expires": "2026-99-01"}}, "$.match.expires", "no date"),
        ({"response": {"status": 200, "stream": {"framing": "sse"}}}, "$.response.stream", "one of events, blob"),
        ({"response": {"status": 200, "json": 1, "layout": "odd"}}, "$.response.layout", "is not one of"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, change, place, says):
    error = refused(tmp_path, json.dumps({**GOOD, **change}))
    assert error.where.endswith(place) and says in error.what


def test_files_that_are_too_large_or_too_deep(tmp_path):
    assert "too much" in refused(tmp_path, b" " * (LARGEST + 1)).what
    assert refused(tmp_path, "[" * 100_000).code == "E501"
    assert refused(tmp_path, '{"a": ' + "1" * 5000 + "}").code == "E501"


def test_numbers_beyond_ninety_nine_keep_their_order():
    request = ModelRequest(Kind.HTTP, "GET https://api.example.com/v1/items")
    names = [stem(seq, request, "ab" * 32) for seq in (0, 7, 99, 100, 1000)]
    assert sorted(names, key=seq_of) == names and names[3] == "100-http-api.example.com-items-abababab"


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (ModelRequest(Kind.RUN, "@cf/zai-org/GLM 4.7:flash"), "glm-4.7-flash"),
        (ModelRequest(Kind.HTTP, "POST https://api.openai.com/v1/chat/completions", {"model": "gpt-4o"}), "gpt-4o"),
        (ModelRequest(Kind.HTTP, "GET https://api.example.com/"), "api.example.com"),
        (ModelRequest(Kind.UNIVERSAL, "universal/g", [{"provider": "openai", "query": {"model": "gpt-4o"}}]), "gpt-4o"),
        (ModelRequest(Kind.UNIVERSAL, "universal/g", [{"provider": "openai", "query": None}]), "openai"),
        (ModelRequest(Kind.RUN, "../../../{{secret:X}}"), "secret-x"),
        (ModelRequest(Kind.RUN, "🌧"), "call"),
    ],
)
def test_file_names_tell_the_model(request_, word):
    assert stem(0, request_, "ab" * 32) == f"00-{request_.kind}-{word}-abababab"


# -- the schema


@st.composite
def spoilt(draw):
    """A recording with one thing changed, somewhere."""
    document = copy.deepcopy(GOOD)
    places = []

    def walk(value):
        members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, member in list(members):
            places.append((value, name))
            walk(member)

    walk(document)
    holder, name = draw(st.sampled_from(places))
    odd = st.sampled_from([None, True, -1, 0, 1, 1.5, "", "x", "sse", [], {}, [1, 2], [1], "0" * 64, {"t": 1}, float("inf")])
    if isinstance(holder, dict) and draw(st.booleans()):
        if draw(st.booleans()):
            del holder[name]
        else:
            holder[draw(st.sampled_from(["odd", "t", "raw", "blob", "dir"]))] = draw(odd)
    else:
        holder[name] = draw(odd)
    return document


@settings(max_examples=300, deadline=None)
@given(spoilt())
def test_what_is_surely_right_is_right(document):
    if surely_right()(document):
        assert list(validator().iter_errors(document)) == []


@settings(max_examples=300, deadline=None)
@given(spoilt())
def test_what_is_right_is_nearly_always_surely_right(document):
    if not list(validator().iter_errors(document)):
        assert surely_right()(document)


# -- manifests


def test_a_regular_expression_of_the_cassette_is_a_normaliser(cassettes):
    cassettes.recorded("00-a", {"prompt": "order ORD-17"}, {"response": "ok"})
    (cassettes.folder() / "cassette.json").write_text('{"normalise": ["regex:order"], "patterns": {"order": "ORD-[0-9]+"}}')
    (cassette,) = Library([cassettes.root]).shelf().cassettes
    asked = ModelRequest(Kind.RUN, "@cf/test/model", {"prompt": "order ORD-99"})
    assert cassette.by_key[cassette.key(asked)][0].id == "00-a"
    assert canonical(asked, cassette.normalisers)["body"] == {"prompt": "order <order>"}


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ('{"format": 2}', "E505", "$.format"),
        ('{"normalise": ["regex:x"]}', "E501", "$.normalise"),
        ('{"patterns": {"x": 1}}', "E501", "$.patterns"),
        ('{"normalise": ["regex:x"], "patterns": {"x": "("}}', "E501", "$.patterns.x"),
        ('{"max_age_days": "90"}', "E501", "$.max_age_days"),
        ('{"max_age_days": 0}', "E501", "$.max_age_days"),
        ('{"recorded": "yesterday"}', "E501", "$.recorded"),
        ('{"recorded": 5}', "E501", "$.recorded"),
    ],
)
def test_a_manifest_that_is_wrong(tmp_path, text, code, place):
    file = tmp_path / "cassette.json"
    file.write_text(text)
    with pytest.raises(RecordingError) as error:
        read_manifest(file)
    assert error.value.code == code and error.value.where == f"{file} {place}"


def test_hidden_files_and_folders_and_faults_are_no_recordings(cassettes):
    cassettes.recorded("00-a", {"prompt": "x"}, {})
    (cassettes.folder() / ".00-b.json").write_text("{")
    (cassettes.folder() / "faults.json").write_text("[]")
    (cassettes.folder(".staging-x") / "00-c.json").write_text("{")
    shelf = Library([cassettes.root]).shelf()
    assert [recording.id for recording in shelf.recordings] == ["00-a"] and shelf.broken == ()


def test_a_cassette_in_which_nothing_changed_keeps_its_index(cassettes):
    cassettes.recorded("00-a", {"prompt": "x"}, {})
    cassettes.write("00-b", {"request": {"kind": "http", "target": "GET https://x/"}, "response": {"status": 204}}, "other")
    library = Library([cassettes.root], recheck_ms=0)
    before = {cassette.name: cassette for cassette in library.shelf().cassettes}
    cassettes.recorded("00-c", {"prompt": "y"}, {})
    after = {cassette.name: cassette for cassette in library.shelf().cassettes}
    assert after["other"] is before["other"] and len(after["default"].recordings) == 2

"""The recordings that ship are readable, and the format's guide says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emulator.config import AiMode
from emulator.gateway.ai.canonical import NORMALISERS, Kind
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.recording import Repeat, parse_recording

from .conftest import read

ROOT = Path(__file__).parents[3]
FOLDERS = [ROOT / "fixtures", *sorted(ROOT.glob("sample_agents/*/fixtures"))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_recordings_that_ship_are_usable(folder):
    shelf = Library([folder]).shelf()
    assert [error.render() for error in shelf.broken] == []
    for recording in shelf.recordings:
        assert recording.file.stem == recording.id
        answer = recording.answer()
        assert not recording.edited()
        assert answer.chunks is None or all(a.t_ms <= b.t_ms for a, b in zip(answer.chunks, answer.chunks[1:], strict=False))


async def test_the_llama_recording_streams_the_legacy_shape(bench, cassettes):
    folder = cassettes.folder()
    source = ROOT / "fixtures" / "ai" / "default" / "00-binding.run-llama-any.json"
    (folder / source.name).write_bytes(source.read_bytes())
    b = bench(AiMode.REPLAY, speed="1x")
    inputs = {"messages": [{"role": "user", "content": "anything"}], "stream": True}
    body = await read(await b.run(inputs, model="@cf/meta/llama-3.1-8b-instruct"))
    events = re.findall(r"data: (.*)\n\n", body.decode())
    assert len(events) > 55 and events[-1] == "[DONE]"
    assert "".join(json.loads(event)["response"] for event in events[:-1]).startswith("Durable Objects")
    steps = b.clock.slept_ms[1:-1]
    assert all(30 <= step <= 60 for step in steps)


def test_the_guide_names_every_choice_and_its_example_is_valid(tmp_path):
    guide = (ROOT / "fixtures" / "README.md").read_text()
    example = next(re.finditer(r"```json\n(\{.*?\n\})\n```", guide, re.DOTALL))[1]
    assert parse_recording("default", tmp_path / "x.json", example.encode()).manual
    for name in (*NORMALISERS, *(str(repeat) for repeat in Repeat), *(str(kind) for kind in (Kind.RUN, Kind.UNIVERSAL, Kind.HTTP))):
        assert f"`{name}`" in guide or f'"{name}"' in guide, name

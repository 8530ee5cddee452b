"""Whatever stands in a recording or a foreign file, a verb of `agents-emu ai` says what is wrong with it, and never ends as our bug."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.cli.main import run
from emulator.gateway.ai.run_record import RunRecord, complete

ODD: list[Any] = [None, 1, -1, "x", [], {}, True, [None], {"a": None}, "é\ud800", float("inf")]
CALL = {"id": "c", "index": 0, "function": {"name": "f", "arguments": "{}"}}
RAW = 'data: {"type":"response.output_item.done","item":{"type":"message","content":[{"text":"x"}]}}\n\n'
WHOLE: dict[str, Any] = {
    "format": 1,
    "id": "00-a",
    "source": "recorded",
    "recorded": {"at": "2026-11-22T00:00:00Z", "tool": "0", "seal": "aa.bb"},
    "request": {
        "kind": "http",
        "target": "POST https://a/v1/chat/completions",
        "headers": {"content-type": "application/json"},
        "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [CALL]}]},
    },
    "match": {"key": "0" * 64, "rules": "default@1", "where": [{"path": "$.body", "exists": True}], "repeat": "last"},
    "response": {
        "status": 200,
        "headers": {"a": "b"},
        "stream": {
            "framing": "sse",
            "events": [{"t": 1, "json": {"choices": [{"delta": {"content": "a", "tool_calls": [CALL]}}]}}, {"t": 3, "raw": RAW}],
            "chunks": [[1, 3]],
            "sha256": "0" * 64,
            "end": "complete",
        },
    },
    "usage": {"prompt_tokens": 1},
    "cost_usd": 1.0,
}
VERBS = [
    words.split()
    for words in (
        "ls", "ls --json", "show 00-a", "show 00-a --json", "diff 00-a 01-b", "lint", "lint --json", "scan", "prune", "rekey --dry-run",
        "export --jsonl -o o", "export --har -o o", "edit 00-a --text new", "import jsonl x.jsonl", "import har x.har", "import vcr x.json",
        "import aimock y.json",
    )
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from places(member, (*path, name))


def spoilt(chance: random.Random, whole: Any, times: int) -> Any:
    """A copy in which some values are missing, or others."""
    value = copy.deepcopy(whole)
    for _ in range(times):
        found = list(places(value))
        if not found:
            break
        *path, last = chance.choice(found)
        holder = value
        for step in path:
            holder = holder[step]
        if chance.random() < 0.3:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(chance.choice(ODD))
    return value


HAR = {
    "log": {
        "entries": [
            {
                "startedDateTime": "2026-11-22T00:00:00Z",
                "request": {"method": "POST", "url": "https://a/b", "headers": [{"name": "a", "value": "b"}], "postData": {"text": "{}"}},
                "response": {"status": 200, "headers": [], "content": {"text": "x"}},
                "timings": {"wait": 1},
                "_chunks": [[1, 1]],
            }
        ]
    }
}
VCR = {
    "interactions": [
        {
            "request": {"method": "POST", "uri": "https://a/b", "headers": {"a": ["b"]}, "body": "{}"},
            "response": {"status": {"code": 200}, "headers": {"content-encoding": ["gzip"]}, "body": {"string": "x"}},
        }
    ]
}
AIMOCK = {
    "fixtures": [
        {
            "match": {"userMessage": "a", "systemMessage": ["b"], "turnIndex": 1, "sequenceIndex": 0, "model": "m"},
            "response": {"content": "x", "toolCalls": [{"name": "f", "arguments": {}}], "usage": {"prompt_tokens": 1}, "reasoning": "r"},
            "streamingProfile": {"ttft": 1, "tps": 2},
            "recordedTimings": {"ttftMs": 1, "interChunkDelaysMs": [1]},
        },
        {"match": {}, "response": {"error": {"message": "x"}, "status": 429}},
        {"match": {}, "response": {"blocks": [{"type": "text", "text": "x"}]}},
    ]
}


@pytest.mark.parametrize("seed", range(12))
def test_odd_files_are_told_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(seed)
    folder = tmp_path / "fixtures" / "ai" / "default"
    folder.mkdir(parents=True)
    at = "2026-01-01T00:00:00Z"
    RunRecord("r", at, "2099-01-01T00:00:00Z", "replay", ("default",), ()).write(tmp_path)
    assert complete(tmp_path, "r") == 1
    odd = spoilt(chance, WHOLE, chance.randint(1, 3))
    (folder / "00-a.json").write_text(json.dumps(odd))
    (folder / "01-b.json").write_text(json.dumps({**WHOLE, "id": "01-b"}))
    (tmp_path / "x.jsonl").write_text(json.dumps(spoilt(chance, {"cassette": "c", "recording": odd, "blobs": {}}, 1)))
    for name, whole in (("x.har", HAR), ("x.json", VCR), ("y.json", AIMOCK)):
        (tmp_path / name).write_text(json.dumps(spoilt(chance, whole, chance.randint(1, 3))))
    for verb in VERBS:
        code = run(["ai", *verb])
        err = capsys.readouterr().err
        assert code in (0, 3), f"{verb}: {err}"
        assert code == 0 or err.splitlines()[-1].startswith("exit 3 ("), err

"""Recorded streams that are too long to hold: the same chunks, a window of them in memory."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from emulator.config.speed import Speed
from emulator.gateway.ai.cassettes.long_body import WINDOW, LongBody
from emulator.gateway.ai.cassettes.recording import parse_recording
from emulator.gateway.ai.replay import Pacer, play
from emulator.gateway.failures import NetworkFailure

SIZES = [1, WINDOW - 1, 3, 2 * WINDOW, 5, 0, 70_000, 7]


def written(path: Path, sizes: list[int]) -> bytes:
    data = bytes(number % 251 for number in range(sum(sizes)))
    path.write_bytes(data)
    return data


def test_every_piece_is_what_it_was(tmp_path: Path):
    data = written(tmp_path / "blob", SIZES)
    body = LongBody(tmp_path / "blob", list(enumerate(SIZES)))
    assert [(chunk.t_ms, len(chunk.data)) for chunk in body] == list(enumerate(SIZES))
    assert b"".join(chunk.data for chunk in body) == data
    assert (body[-1].data, body[0].data, [chunk.t_ms for chunk in body[2:4]]) == (data[-7:], data[:1], [2, 3])


def test_a_file_that_is_gone_or_shorter_tears_the_stream(tmp_path: Path):
    path = tmp_path / "blob"
    written(path, SIZES)
    body = LongBody(path, list(enumerate(SIZES)))
    path.write_bytes(b"ab")
    with pytest.raises(NetworkFailure, match="became shorter"):
        list(body)
    path.unlink()
    with pytest.raises(NetworkFailure, match="cannot be read"):
        body[3]


async def test_fifty_megabytes_are_played_with_flat_memory(tmp_path: Path):
    count, size = 800, 64 * 1024
    (tmp_path / "blobs").mkdir()
    with (tmp_path / "blobs" / "long").open("wb") as file:
        for number in range(count):
            file.write(bytes([number % 256]) * size)
    with (tmp_path / "blobs" / "long").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    blob = {"file": "blobs/long", "sha256": digest, "media_type": "application/octet-stream"}
    stream = {"framing": "bytes", "blob": blob, "chunks": [[number, size] for number in range(count)]}
    request = {"kind": "binding.run", "target": "@cf/m", "body": {}}
    document = {"format": 1, "id": "long", "source": "recorded", "request": request, "response": {"status": 200, "stream": stream}}
    tracemalloc.start()
    try:
        recording = parse_recording("default", tmp_path / "long.json", json.dumps(document).encode())
        response = await play(recording.answer(), Pacer(Speed(None)))
        heard = [(chunk[0], len(chunk)) async for chunk in response.body]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert heard == [(number % 256, size) for number in range(count)]
    assert most < 8 * WINDOW

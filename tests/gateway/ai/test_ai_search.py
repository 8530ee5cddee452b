"""AutoRAG and AI Search: recordings answer, lists tell what they know, all else is refused in clear words (A7)."""

from __future__ import annotations

import json

import pytest

from emulator.config import AiMode

from .conftest import read, read_json

ANSWER = {"response": "yes", "data": [{"file_id": "f", "filename": "a.md", "score": 0.5}]}


def recorded(cassettes, kind, target, body, answer, **response):
    request = {"kind": kind, "target": target, **({} if body is None else {"body": body})}
    cassettes.write(f"00-{target.replace('/', '-')}", {"request": request, "response": {"status": 200, "json": answer, **response}})


@pytest.mark.parametrize("mode", [AiMode.AUTO, AiMode.STUB])
async def test_without_recordings(bench, mode):
    b = bench(mode)
    assert (await read_json(await b.get("/autorag/rags")))["result"] == []
    listed = await read_json(await b.get("/ai-search/instances?page=1"))
    assert listed == {"result": [], "result_info": {"count": 0, "page": 1, "per_page": 20, "total_count": 0}}
    for path in ("/autorag/rags/docs/search", "/autorag/rags/docs/ai-search", "/ai-search/instances/docs/search"):
        response = await b.post(path, {"query": "x"})
        message = (await read_json(response))["errors"][0]["message"]
        assert response.status == 404
        assert "'docs' not found: AI Search has no local index. A recording answers it" in message
        assert (b.events[-1]["code"], b.events[-1]["problem"]) == ("E641", message)


async def test_a_replay_without_recordings_is_a_miss(bench):
    b = bench(AiMode.REPLAY)
    response = await b.post("/autorag/rags/docs/search", {"query": "x"})
    error = await read_json(response)
    assert (response.status, error["internalCode"]) == (400, 9901)
    assert "autorag docs/search" in error["errors"][0]["message"]
    assert (await b.get("/ai-search/instances")).status == 200


async def test_recordings_answer(bench, cassettes):
    recorded(cassettes, "autorag", "docs/ai-search", {"query": "x"}, {"result": ANSWER})
    recorded(cassettes, "ai-search", "docs/search", {"query": "x"}, {"chunks": []})
    recorded(cassettes, "ai-search", "other/search", {"query": "x"}, {"chunks": []})
    b = bench(AiMode.REPLAY)
    assert (await read_json(await b.post("/autorag/rags/docs/ai-search", {"query": "x"})))["result"] == ANSWER
    assert await read_json(await b.post("/ai-search/instances/docs/search", {"query": "x"})) == {"chunks": []}
    assert [row["id"] for row in (await read_json(await b.get("/autorag/rags")))["result"]] == ["docs"]
    assert [row["id"] for row in (await read_json(await b.get("/ai-search/instances")))["result"]] == ["docs", "other"]
    assert (await read_json(await b.get("/ai-search/instances?per_page=1&page=2")))["result"] == [{"id": "other"}]
    assert (await read_json(await b.get("/ai-search/instances?search=DO")))["result"] == [{"id": "docs"}]
    assert (await b.get("/ai-search/instances?page=0")).status == 400


async def test_a_streamed_answer(bench, cassettes):
    events = [{"t": 0, "json": {"response": "a"}}, {"t": 1, "text": "[DONE]"}]
    request = {"kind": "autorag", "target": "docs/ai-search", "body": {"query": "x", "stream": True}}
    cassettes.write("00-stream", {"request": request, "response": {"status": 200, "stream": {"framing": "sse", "events": events}}})
    response = await bench(AiMode.REPLAY).post("/autorag/rags/docs/ai-search", {"query": "x", "stream": True})
    assert response.header("content-type") == "text/event-stream"
    assert json.loads((await read(response)).split(b"\n\n")[0].removeprefix(b"data: ")) == {"response": "a"}

"""The `anthropic` package of PyPI talks to our fake as it does to the service: proof that the fake speaks the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import pytest
from anthropic import AsyncAnthropic
from fakes import mind
from fakes.anthropic import FakeAnthropic
from fakes.base import Step, event

MODEL, OLDER = "claude-opus-4-8", "claude-sonnet-4-5"
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HELLO = {"role": "user", "content": "Hello there"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(key="sk-ant-fake") as server:
        yield server


@pytest.fixture
async def client(fake: FakeAnthropic) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(api_key="sk-ant-fake", base_url=fake.url, max_retries=0) as one:
        yield one


async def test_a_message(client: AsyncAnthropic):
    message = await client.messages.create(model=MODEL, max_tokens=100, messages=[HELLO])
    assert message.content[0].type == "text"
    assert message.content[0].text == "You said: Hello there"
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 2, 4)


async def test_a_stream_is_accumulated_to_the_same_message(fake: FakeAnthropic, client: AsyncAnthropic):
    turn = mind.Turn(["Let", " me", " look."], reasoning=["Hm", " hm"], calls=[mind.Call("weather", {"city": "Paris"}, "toolu_1")])
    fake.script(Step(turn), Step(turn))
    asked = {"model": MODEL, "max_tokens": 100, "messages": [HELLO], "tools": [WEATHER]}
    async with client.messages.stream(**asked) as stream:
        kinds = [happened.type async for happened in stream]
        streamed = await stream.get_final_message()
    whole = await client.messages.create(**asked)
    assert kinds[0] == "message_start"
    assert {"thinking", "signature", "text", "input_json"} <= set(kinds)
    assert [block.model_dump() for block in streamed.content] == [block.model_dump() for block in whole.content]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens) == ("tool_use", 7)


async def test_a_tool_loop(client: AsyncAnthropic):
    asked = {"model": MODEL, "max_tokens": 100, "tools": [WEATHER]}
    first = await client.messages.create(**asked, messages=[{"role": "user", "content": "use weather"}])
    [call] = first.content
    assert (call.type, call.input) == ("tool_use", {"city": "example"})
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}
    messages = [{"role": "user", "content": "use weather"}, {"role": "assistant", "content": first.content}, result]
    second = await client.messages.create(**asked, messages=messages)
    assert second.content[0].text == "The tool said: rain"


async def test_structured_output(client: AsyncAnthropic):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    config = {"format": {"type": "json_schema", "schema": schema}}
    message = await client.messages.create(model=MODEL, max_tokens=100, messages=[HELLO], output_config=config)
    assert message.content[0].text == '{"n": 1}'


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
async def test_errors_are_read_as_what_they_are(
    fake: FakeAnthropic, client: AsyncAnthropic, status: int, error: type[anthropic.APIStatusError]
):
    fake.script(Step(status=status, message="so it is"))
    with pytest.raises(error) as caught:
        await client.messages.create(model=MODEL, max_tokens=10, messages=[HELLO])
    assert "so it is" in caught.value.message
    assert caught.value.request_id == f"req_{1:024d}"


async def test_the_client_tries_again_as_told(fake: FakeAnthropic):
    fake.script(Step(status=529), Step(status=429, headers={"retry-after-ms": "1"}))
    async with AsyncAnthropic(api_key="sk-ant-fake", base_url=fake.url, max_retries=2) as client:
        message = await client.messages.create(model=MODEL, max_tokens=10, messages=[HELLO])
    assert message.content[0].text == "You said: Hello there"
    assert len(fake.seen) == 3


async def test_an_error_inside_a_stream_is_raised(fake: FakeAnthropic, client: AsyncAnthropic):
    error = event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "error")
    fake.script(Step(mind.says("one two"), events=[error], at=4))
    with pytest.raises(anthropic.APIStatusError, match="busy"):
        async with client.messages.stream(model=MODEL, max_tokens=10, messages=[HELLO]) as stream:
            async for _ in stream:
                pass


async def test_what_the_service_refuses_is_refused(client: AsyncAnthropic):
    assistant = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {}}]}
    orphan = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": "x"}]}
    refused = [
        ({"messages": [{"role": "assistant", "content": "me first"}]}, 'first message must use the "user" role'),
        ({"messages": [HELLO, assistant, HELLO]}, "without `tool_result` blocks immediately after"),
        ({"messages": [HELLO, orphan]}, "unexpected `tool_use_id`"),
        ({"messages": [{"role": "system", "content": "x"}, HELLO]}, 'Unexpected role "system"'),
        ({"messages": []}, "at least one message"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": "claude-3-haiku-20240307", "max_tokens": 5_000}, "maximum allowed number of output tokens"),
        ({"extra_body": {"temperature": 1}}, "temperature: Extra inputs are not permitted"),
        ({"extra_body": {"seed": 1}}, "seed: Extra inputs are not permitted"),
        ({"tools": [{"name": "has space", "input_schema": {"type": "object"}}]}, "tools.0.custom.name"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "other"}}, "'other' not found"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.enabled: not supported"),
        ({"model": OLDER, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "greater than `thinking.budget_tokens`"),
        ({"model": OLDER, "thinking": {"type": "adaptive"}}, "adaptive thinking is not supported"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
    ]
    for more, text in refused:
        with pytest.raises(anthropic.BadRequestError) as caught:
            await client.messages.create(**{"model": MODEL, "max_tokens": 100, "messages": [HELLO], **more})
        assert text in caught.value.message


async def test_key_version_and_model_are_looked_at(fake: FakeAnthropic, client: AsyncAnthropic):
    asked = {"model": MODEL, "max_tokens": 10, "messages": [HELLO]}
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="wrong").messages.create(**asked)
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
        await client.messages.create(**asked, extra_headers={"anthropic-version": "yesterday"})
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.create(**{**asked, "model": "claude-none"})

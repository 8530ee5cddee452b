"""The `openai` package of PyPI talks to our fake as it does to the service: proof that the fake speaks the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from fakes.base import Step
from fakes.media import MP3, PNG
from fakes.mind import Call, Turn
from fakes.openai import FakeOpenAi
from openai import AsyncOpenAI
from pydantic import BaseModel

HELLO = {"role": "user", "content": "Hello there"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS, "strict": True}}


class Place(BaseModel):
    city: str


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAi]:
    async with FakeOpenAi(key="sk-fake") as server:
        yield server


@pytest.fixture
async def client(fake: FakeOpenAi) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="sk-fake", base_url=fake.base_url, max_retries=0) as one:
        yield one


async def test_a_completion(client: AsyncOpenAI):
    answer = await client.chat.completions.create(model="gpt-4o", messages=[HELLO])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("You said: Hello there", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 4)


async def test_a_stream_is_accumulated_to_the_same_completion(fake: FakeOpenAi, client: AsyncOpenAI):
    turn = Turn(["Let", " me"], calls=[Call("weather", {"city": "Oslo"}, "call_1"), Call("weather", {"city": "Rome"}, "call_2")])
    fake.script(Step(turn), Step(turn))
    asked = {"model": "gpt-4o", "messages": [HELLO], "tools": [WEATHER]}
    async with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        kinds = {happened.type async for happened in stream}
        streamed = await stream.get_final_completion()
    whole = await client.chat.completions.create(**asked)
    assert {"content.delta", "tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    calls = [
        [(call.id, call.function.name, call.function.arguments) for call in one.choices[0].message.tool_calls] for one in (streamed, whole)
    ]
    assert calls[0] == calls[1]
    assert (streamed.usage.completion_tokens, streamed.choices[0].finish_reason) == (whole.usage.completion_tokens, "tool_calls")


async def test_a_tool_loop(client: AsyncOpenAI):
    user = {"role": "user", "content": "the weather"}
    first = (await client.chat.completions.create(model="gpt-4o", messages=[user], tools=[WEATHER])).choices[0].message
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sun"}
    second = await client.chat.completions.create(model="gpt-4o", messages=[user, first, result], tools=[WEATHER])
    assert second.choices[0].message.content == "The tool said: sun"
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        await client.chat.completions.create(model="gpt-4o", messages=[user, first], tools=[WEATHER])


async def test_structured_output(client: AsyncOpenAI):
    answer = await client.chat.completions.parse(model="gpt-4o", messages=[HELLO], response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="example")
    response = await client.responses.parse(model="gpt-4o", input="x", text_format=Place)
    assert response.output_parsed == Place(city="example")


async def test_responses(client: AsyncOpenAI):
    whole = await client.responses.create(model="gpt-4o", input="Hello there")
    async with client.responses.stream(model="gpt-4o", input="Hello there") as stream:
        kinds = [happened.type async for happened in stream]
        streamed = await stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert whole.output_text == streamed.output_text == "You said: Hello there"
    assert whole.usage == streamed.usage
    tool = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}
    called = await client.responses.create(model="gpt-4o", input="the weather", tools=[tool])
    call = called.output[0]
    assert (call.type, call.name, call.arguments) == ("function_call", "weather", '{"city": "example"}')
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sun"}
    items = [{"role": "user", "content": "the weather"}, call.model_dump(exclude_none=True), result]
    assert (await client.responses.create(model="gpt-4o", input=items, tools=[tool])).output_text == "The tool said: sun"


async def test_embeddings_pictures_and_sound(client: AsyncOpenAI):
    packed = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    plain = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], encoding_format="float")
    assert [row.embedding for row in packed.data] == [pytest.approx(row.embedding, abs=1e-6) for row in plain.data]
    picture = await client.images.generate(model="gpt-image-1", prompt="x")
    assert picture.data[0].b64_json[:8] == "iVBORw0K" and len(PNG) > 60
    assert (await client.audio.speech.create(model="tts-1", voice="alloy", input="x")).content == MP3
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", MP3), response_format="verbose_json")
    assert (heard.text, heard.words[0].word) == ("Hello from the fake.", "Hello")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "missing-model"}, "does not exist"),
        ({"temperature": 3}, "above maximum value"),
        ({"model": "o3", "max_tokens": 9}, "max_completion_tokens"),
        ({"extra_body": {"top_k": 3}}, "Unrecognized request argument supplied: top_k"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "json_schema.name"),
    ],
)
async def test_what_the_service_refuses_is_refused(client: AsyncOpenAI, asked: dict, words: str):
    with pytest.raises(openai.APIStatusError, match=words):
        await client.chat.completions.create(**{"model": "gpt-4o", "messages": [HELLO], **asked})


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Step(status=429, code="rate_limit_exceeded"), openai.RateLimitError),
        (Step(status=500), openai.InternalServerError),
        (Step(status=401), openai.AuthenticationError),
    ],
)
async def test_scripted_errors_have_their_types(fake: FakeOpenAi, client: AsyncOpenAI, step: Step, error: type[Exception]):
    fake.script(step)
    with pytest.raises(error):
        await client.chat.completions.create(model="gpt-4o", messages=[HELLO])


async def test_a_torn_stream(fake: FakeOpenAi, client: AsyncOpenAI):
    fake.script(Step(stop_after=2, then="reset"))
    stream = await client.chat.completions.create(model="gpt-4o", messages=[HELLO], stream=True)
    with pytest.raises(openai.APIError):
        async for _ in stream:
            pass


def test_a_fake_with_a_thread_of_its_own():
    with FakeOpenAi().running() as fake:
        client = openai.OpenAI(api_key="any", base_url=fake.base_url)
        assert client.chat.completions.create(model="gpt-4o", messages=[HELLO]).choices[0].message.content == "You said: Hello there"

"""The SDKs of OpenAI and Anthropic, each in its synchronous and its asynchronous form."""

from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI
from workers import fetch

QUESTION = [{"role": "user", "content": "Say hello."}]
OPENAI = {"model": "gpt-test", "messages": QUESTION}
ANTHROPIC = {"model": "claude-test", "max_tokens": 10, "messages": QUESTION}


def at(base, path=""):
    """The provider's own address without a base."""
    return {"api_key": "test-key", "max_retries": 0} | ({"base_url": base + path} if base else {})


async def ask(library, base=""):
    match library:
        case "openai":
            return (await AsyncOpenAI(**at(base, "/v1")).chat.completions.create(**OPENAI)).choices[0].message.content
        case "openai-sync":
            return OpenAI(**at(base, "/v1")).chat.completions.create(**OPENAI).choices[0].message.content
        case "anthropic":
            return (await AsyncAnthropic(**at(base)).messages.create(**ANTHROPIC)).content[0].text
        case "anthropic-sync":
            return Anthropic(**at(base)).messages.create(**ANTHROPIC).content[0].text


async def texts(library, base):
    match library:
        case "openai":
            async for chunk in await AsyncOpenAI(**at(base, "/v1")).chat.completions.create(**OPENAI, stream=True):
                yield chunk.choices[0].delta.content
        case "openai-sync":
            for chunk in OpenAI(**at(base, "/v1")).chat.completions.create(**OPENAI, stream=True):
                yield chunk.choices[0].delta.content
        case "anthropic":
            async with AsyncAnthropic(**at(base)).messages.stream(**ANTHROPIC) as answer:
                async for text in answer.text_stream:
                    yield text
        case "anthropic-sync":
            with Anthropic(**at(base)).messages.stream(**ANTHROPIC) as answer:
                for text in answer.text_stream:
                    yield text


async def ask_stream(library, base="", step=""):
    """Each piece of text; after the first the server is told to go on, if there is one to tell."""
    pieces = []
    async for text in texts(library, base):
        pieces.append(text)
        if step and len(pieces) == 1:
            await fetch(step)
    return pieces

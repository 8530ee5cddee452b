"""What clients do and what they expect: steps that need no control API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from emulator.errors import BackendError, UsageError
from emulator.scenarios import naming, steps, variables
from emulator.scenarios.chat_side import reconnect_ms
from emulator.scenarios.client import Refused, frame_text
from emulator.scenarios.failures import ScenarioFailed, differs, unmet
from emulator.scenarios.matching import Difference, Match, brief, match
from emulator.scenarios.steps import NOT_GIVEN
from emulator.scenarios.transcript import offset
from emulator.scenarios.world import Player, World

ATTEMPTS = 3
"""How often a client tries to connect again."""
SHOWN_FRAMES = 5
SHOWN_HEADERS = ("content-type", "location")
"""Others say when and by whom, which is different in every run."""


def filled(world: World, value: Any) -> Any:
    """A value with its variables replaced. Raises UsageError E282."""
    try:
        return variables.fill(value, world.bound)
    except variables.Unbound as error:
        from emulator.config.shape import nearest

        close = nearest(error.name, list(world.bound))
        hint = f"did you mean ${{{close}}}?" if close else f"bound are: {', '.join(world.bound) or 'none'}"
        raise UsageError("E282", f"${{{error.name}}} has no value yet", hint=hint) from None


def span_words(ms: int) -> str:
    """A span of time as transcripts have it, with its unit."""
    return f"{offset(ms)} s" if ms >= 1000 else f"{ms} ms"


def holds(world: World, what: str, pattern: Any, value: Any) -> None:
    """The value must fit the pattern; binds its variables. Raises ScenarioFailed E481."""
    if pattern is NOT_GIVEN:
        return
    found = match(pattern, value, world.bound)
    if not found.fits:
        raise differs(what, found.differences)
    world.bound.update(found.bound)


# -- connections


async def connect(world: World, step: steps.Connect) -> None:
    """Open a WebSocket."""
    player = world.player(step.client)
    if player.client.is_open:
        raise UsageError("E283", f"the client {step.client} is connected already", hint="disconnect or drop it first")
    refused, attempts = await _opened(world, player, step), 0
    while refused is not None and refused.status >= 500 and step.refused is NOT_GIVEN and player.reconnects and attempts < ATTEMPTS:
        # Whoever reconnects tries again too: the server may be coming up just now.
        attempts += 1
        await world.until(lambda: False, f"the next attempt of {step.client}", reconnect_ms(attempts))
        refused = await _opened(world, player, step)
    if step.refused is NOT_GIVEN:
        if refused is not None:
            hint = "does the Worker's fetch call routeAgentRequest, and is the address right?"
            raise ScenarioFailed("E482", f"the Worker answered {refused.status} to the connection of {step.client}", hint=hint)
    elif refused is None:
        raise ScenarioFailed("E482", f"{step.client} was connected, and should have been refused")
    else:
        holds(world, "the refusal's status", step.refused, refused.status)


async def _opened(world: World, player: Player, step: steps.Connect) -> Refused | None:
    world.line(step.client, "connect", world.path_of(player.client.plan))
    opening = asyncio.ensure_future(world.connect(player))
    try:
        what = f"the connection of {step.client}"
        if not await world.until(opening.done, what, step.timeout_ms):
            raise ScenarioFailed("E480", f"{what} was not answered within {_patience(world, step)}", hint="onConnect has not ended")
        refused = opening.result()
    finally:
        opening.cancel()
    if refused is not None:
        world.line(step.client, "refused", str(refused.status))
    return refused


async def disconnect(world: World, step: steps.Disconnect) -> None:
    """Leave."""
    player = _open(world, step.client)
    player.left = True
    await player.client.barrier()
    if step.abort:
        world.line(step.client, "abort")
        await player.client.abort()
    else:
        world.line(step.client, "disconnect", f"{step.code} {step.reason}".rstrip())
        await player.client.close(step.code, step.reason)


async def send(world: World, step: steps.Send) -> None:
    """Send a frame; when this returns, the server has read it."""
    player = await _back(world, step)
    data = filled(world, step.data)
    await player.client.send(data if isinstance(data, bytes) else frame_text(data) if step.is_json else str(data))
    await player.client.barrier()


async def _back(world: World, step: steps.Send | steps.Chat) -> Player:
    """The client, connected. One that reconnects is waited for."""
    player = world.player(step.client)
    if player.reconnects and player.end is not None and not player.left:
        await world.until(lambda: player.client.is_open, f"{step.client} to be back", step.timeout_ms)
    return _open(world, step.client)


def _open(world: World, name: str) -> Player:
    player = world.player(name)
    if not player.client.is_open:
        how = f"it was closed with {player.end[0]}" if player.end else "it was never connected"
        raise ScenarioFailed("E483", f"the client {name} is not connected: {how}", hint=f"- connect: {name}")
    return player


def _patience(world: World, step: steps.Step) -> str:
    return span_words(world.timeout_ms if step.timeout_ms is None else step.timeout_ms)


# -- expectations


class _Search:
    """Looks for the frames of an expectation among those that came, each time more have come."""

    def __init__(self, world: World, player: Player, step: steps.Expect) -> None:
        self._world = world
        self._player = player
        self._step = step
        self.missing: list[Any] = list(step.frames)
        self.found: list[tuple[int, Any]] = []
        self.bound: dict[str, Any] = {}
        self.wrong: tuple[Any, Match] | None = None
        self._next = player.seen

    def done(self) -> bool:
        """Whether all have come, or (`only`) another has."""
        while self._next < len(self._player.frames) and self.missing and self.wrong is None:
            self._look(self._next)
            self._next += 1
        return not self.missing or self.wrong is not None

    def _look(self, index: int) -> None:
        frame = self._player.frames[index]
        candidates = self.missing if self._step.any_order else self.missing[:1]
        for pattern in candidates:
            tried = held(pattern, frame, {**self._world.bound, **self.bound})
            if tried.fits:
                self.bound.update(tried.bound)
                self.found.append((index, frame))
                self.missing.remove(pattern)
                return
        if self._step.only:
            self.wrong = (frame, tried)


async def expect(world: World, step: steps.Expect) -> list[Any]:
    """Wait for frames; gives them, JSON as data, in the order of their arrival. Raises ScenarioFailed E480."""
    player = world.player(step.client)
    search = _Search(world, player, step)
    what = f"{step.client} <- {brief(step.frames[0])}"
    came = await world.until(search.done, what, step.timeout_ms)
    if search.wrong is not None:
        frame, tried = search.wrong
        raise differs(f"the next frame of {step.client}, {_shown(world, frame)},", tried.differences, "E480")
    if not came:
        raise _unmet(world, player, search.missing[0], _patience(world, step))
    world.bound.update(search.bound)
    player.seen = max(index for index, _ in search.found) + 1
    return [parsed(frame) for _, frame in search.found]


def _unmet(world: World, player: Player, pattern: Any, waited: str) -> ScenarioFailed:
    fresh = player.frames[player.seen :]
    tried = sorted(((held(pattern, frame, world.bound), frame) for frame in fresh), key=lambda row: len(row[0].differences))
    what = f"the frame {brief(pattern)} for {player.client.name}"
    earlier = next((frame for frame in reversed(player.frames[: player.seen]) if held(pattern, frame, world.bound).fits), None)
    nearest: tuple[str, Sequence[Difference]] | None = None
    if tried and _is_near(pattern, tried[0][0]):
        nearest = (_shown(world, tried[0][1]), tried[0][0].differences)
    failure = unmet(what, nearest, waited, [_shown(world, frame) for frame in fresh[-SHOWN_FRAMES:]])
    if earlier is not None:
        words = "one that fits came earlier, before a frame that was expected since: expect it first, or both with order: any"
        failure.hint = f"{words}\nit was   {_shown(world, earlier)}"
    if player.end is not None:
        failure.hint = f"{failure.hint}\nthe connection of {player.client.name} was closed with {player.end[0]}"
    return failure


def _is_near(pattern: Any, tried: Match) -> bool:
    """Whether anything of it fits: of a frame of another type nobody wants to know every difference."""
    if isinstance(pattern, Mapping) and "type" in pattern:
        return all(difference.path != "$.type" for difference in tried.differences)
    return not isinstance(pattern, Mapping) or len(tried.differences) < len(pattern)


async def expect_none(world: World, step: steps.ExpectNone) -> None:
    """No frame that fits may come. Raises ScenarioFailed E484."""
    player = world.player(step.client)
    since = len(player.frames) if step.within_ms else player.seen

    def wrong() -> Any:
        return next((frame for frame in player.frames[since:] if held(step.pattern, frame, world.bound).fits), None)

    what = f"{step.client} <- nothing for {span_words(step.within_ms)}"
    await world.until(lambda: wrong() is not None, what, step.within_ms)
    frame = wrong()
    if frame is not None:
        raise ScenarioFailed("E484", f"{step.client} got a frame that must not come", hint=_shown(world, frame))


async def expect_close(world: World, step: steps.ExpectClose) -> tuple[int, str]:
    """The connection must end; gives code and reason. Raises ScenarioFailed E480 or E481."""
    player = world.player(step.client)
    if not await world.until(lambda: player.end is not None, f"the end of {step.client}'s connection", step.timeout_ms):
        fresh = [_shown(world, frame) for frame in player.frames[player.seen :][-SHOWN_FRAMES:]]
        raise unmet(f"the end of {step.client}'s connection", None, _patience(world, step), fresh)
    assert player.end is not None
    holds(world, f"the close code of {step.client}", step.code, player.end[0])
    holds(world, f"the close reason of {step.client}", step.reason, player.end[1])
    return player.end


def held(pattern: Any, frame: Any, bound: Mapping[str, Any]) -> Match:
    """A frame against a pattern: one that is text is held against the text, all others against its JSON."""
    if isinstance(pattern, str) and variables.whole(pattern) is None:
        return match(pattern, frame, bound)
    tried = match(pattern, parsed(frame), bound)
    return tried if tried.fits or not isinstance(frame, str) else _better(tried, match(pattern, frame, bound))


def _better(one: Match, other: Match) -> Match:
    return other if other.fits else one


def parsed(frame: Any) -> Any:
    """A frame's JSON; the frame itself when it is none."""
    if isinstance(frame, bytes):
        return frame
    try:
        return json.loads(frame)
    except ValueError:
        return frame


def _shown(world: World, frame: Any) -> str:
    value = world.names.value(parsed(frame)) if isinstance(frame, str) else frame
    return brief(value, 400)


# -- chat


async def chat(world: World, step: steps.Chat) -> str | None:
    """Say something; gives the answer's text, None when it is not waited for."""
    player = await _back(world, step)
    assert player.chat is not None
    if player.chat.waits:
        raise UsageError("E283", f"{step.client} waits for an answer already", hint=f"- answer: {step.client}")
    text = str(filled(world, step.text))
    world.line(step.client, "chat", json.dumps(text, ensure_ascii=False))
    asking = asyncio.ensure_future(world.messages(world.path_of(player.client.plan)))
    try:
        if not await world.until(asking.done, f"the messages of {step.client}'s agent", step.timeout_ms):
            raise ScenarioFailed("E480", f"the agent of {step.client} did not tell its messages within {_patience(world, step)}")
        history = asking.result()
    finally:
        asking.cancel()
    opening = player.chat.begin(text, history)
    world.names.keep(*player.chat.ids)
    await player.client.send(frame_text(opening))
    await player.client.barrier()
    if not step.wait:
        return None
    return await answer(
        world,
        steps.Answer(client=step.client, text=step.answer, outcome=step.outcome, line=step.line, timeout_ms=step.timeout_ms),
    )


async def answer(world: World, step: steps.Answer) -> str:
    """Wait for the end of the turn; gives its text. Raises ScenarioFailed E480, E481 or E485."""
    player = world.player(step.client)
    side = player.chat
    if side is None or side.turn is None:
        raise UsageError(
            "E283", f"{step.client} has said nothing that could be answered", hint=f"- chat: {{client: {step.client}, text: hello}}"
        )
    turn = side.turn

    def has_ended() -> bool:
        return side.ended is not None and (side.ended.outcome == step.outcome or not side.may_come_back)

    if not await world.until(has_ended, f"the answer to {step.client}", step.timeout_ms) and side.ended is None:
        said = brief(turn.said) if turn.said else "nothing"
        raise ScenarioFailed("E480", f"the answer to {step.client} did not end within {_patience(world, step)}", hint=f"so far: {said}")
    assert side.ended is not None
    world.line(step.client, "answer", f"{side.ended.outcome} {json.dumps(turn.said, ensure_ascii=False)}")
    if side.ended.outcome != step.outcome:
        why = side.ended.error or (f"the text: {brief(turn.said)}" if turn.said else "without a text")
        raise ScenarioFailed("E485", f"the turn of {step.client} ended as {side.ended.outcome}, not as {step.outcome}", hint=why)
    holds(world, f"the answer to {step.client}", step.text, turn.said)
    # What it was told in words is used up.
    player.seen = len(player.frames)
    return turn.said


# -- requests


async def http(world: World, step: steps.Http) -> Any:
    """A request; gives the answer's body: JSON as data, else text. Raises ScenarioFailed E480 or E481."""
    path, headers, body = filled(world, step.path), filled(world, step.headers), filled(world, step.body)
    world.line("http", f"{step.method} ->", path if body is None else f"{path} {naming.compact(body) if step.is_json else body}")
    asking = asyncio.ensure_future(_ask(world, step, path, headers, body))
    try:
        what = f"{step.method} {path}"
        if not await world.until(asking.done, what, step.timeout_ms):
            raise ScenarioFailed("E480", f"{what} was not answered within {_patience(world, step)}")
        status, got_headers, text = asking.result()
    finally:
        asking.cancel()
    shown = " ".join(got_headers[name] for name in SHOWN_HEADERS if name in got_headers)
    world.line("http", f"<- {status}", " ".join(part for part in (shown, _body_line(world, text)) if part))
    if step.status is NOT_GIVEN:
        if status >= 400:
            raise ScenarioFailed("E481", f"{what} was answered with {status}", hint=brief(text, 400))
    else:
        holds(world, f"the status of {what}", step.status, status)
    for name, pattern in step.response_headers.items():
        holds(world, f"the header {name} of {what}", pattern, got_headers.get(name))
    data = parsed(text)
    holds(world, f"the body of {what}", step.json, data)
    holds(world, f"the body of {what}", step.text, text)
    return data


async def _ask(world: World, step: steps.Http, path: str, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], str]:
    content = {"json": body} if step.is_json else {} if body is None else {"data": str(body)}
    try:
        async with world.session.request(step.method, world.http_url(path), headers=headers, allow_redirects=False, **content) as response:
            text = await response.text(errors="replace")
    except (aiohttp.ClientError, OSError) as error:
        raise BackendError("E651", f"{step.method} {path}: {error}", where=world.place.url) from error
    return response.status, {name.lower(): value for name, value in response.headers.items()}, text


def _body_line(world: World, text: str) -> str:
    data = naming.json_in(text)
    return world.names.text(text) if data is None else naming.compact(world.names.value(data))

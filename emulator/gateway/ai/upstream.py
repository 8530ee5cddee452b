"""Where one request is answered when no gateway stands in between: faults, recordings, then the outside, whose answer is recorded in the
modes that do so (ai-binding.md 7.4 and 7.6).

An AI gateway comes here once for each attempt. So its rules act on recordings as they act on models, and an answer of 500 before one
of 200 is two recordings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from emulator.gateway.ai.calls import Call
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.checks import Checks
from emulator.gateway.ai.envelopes import gateway_error, json_response
from emulator.gateway.ai.faults.book import FaultBook
from emulator.gateway.ai.faults.overlay import before
from emulator.gateway.ai.modes import Action
from emulator.gateway.ai.playback import Playback, Refusal
from emulator.gateway.ai.recorder.recorder import Recorder
from emulator.gateway.ai.replay import play
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

Outside = Callable[[], Awaitable[Reply]]
"""Asks a model, the stub or the network. Raises NetworkFailure."""

HTTP_KINDS = frozenset({Kind.HTTP, Kind.GATEWAY_HTTP})
DENIED = 599
"""The status of an outbound request that nothing recorded answers."""


class Upstream:
    """`answer` gives one answer. Close it to end what still asks models for the sake of comparing."""

    def __init__(self, playback: Playback, recorder: Recorder, faults: FaultBook, checks: Checks) -> None:
        self._playback = playback
        self._recorder = recorder
        self._faults = faults
        self._checks = checks
        self._comparing: set[asyncio.Task[None]] = set()

    async def answer(self, call: Call, asked: ModelRequest, outside: Outside, *, lenient: bool = False, storable: bool = True) -> Reply:
        """The answer to `asked`, which is `call` or an attempt of it. `lenient` and `storable` as in Playback.find. A fault that only
        changes the stream is left in `call.pending`: it acts on what reaches user code, not on what a gateway keeps."""
        call.attempts += 1
        fault = self._faults.take(asked)
        if fault is not None:
            call.fault, call.pending = fault.name, fault
            instead = await before(fault, asked, self._playback.pacer)
            if instead is not None:
                call.pending = None
                if storable:
                    self._recorder.spare(asked, self._playback.cassette_for(call.scope), f"the fault {fault.name} took its place")
                return instead
        return await self._answer(call, asked, outside, lenient=lenient, storable=storable)

    @property
    def has_faults(self) -> bool:
        """Whether some fault may act, so that it pays to look at a request that is let out."""
        return self._faults.active

    async def close(self) -> None:
        """End all comparisons."""
        for task in self._comparing:
            task.cancel()
        await asyncio.gather(*self._comparing, return_exceptions=True)

    async def _answer(self, call: Call, asked: ModelRequest, outside: Outside, *, lenient: bool, storable: bool) -> Reply:
        playback = self._playback
        verdict = playback.find(asked, scope=call.scope, lenient=lenient, storable=storable)
        if verdict.refusal is not None:
            call.problem, call.code = verdict.refusal.description, verdict.refusal.code
            return Reply(_refused(asked, verdict.refusal), Source.NONE)
        if verdict.recording is not None:
            if verdict.action is Action.COMPARE:
                self._compare(verdict.recording, outside)
            call.source, call.recording = Source.RECORDING, verdict.recording.name  # also for a caller that leaves before the first byte
            answer = verdict.recording.answer()
            response = await play(answer, playback.pacer, started_ms=call.started_ms)
            return Reply(response, Source.RECORDING, recording=verdict.recording.name, usage=answer.usage)
        asked_ms = self._recorder.clock_ms()
        with nullcontext() if verdict.cassette is None else self._recorder.asking(asked, verdict.cassette):
            reply = await outside()
        if reply.source is Source.STUB and asked.kind not in HTTP_KINDS and playback.mode.value != "stub":
            call.notice = f"answered by the stub: {verdict.reason}, no backend"
        if verdict.cassette is not None:
            return self._recorder.tap(asked, reply, cassette=verdict.cassette, t0_ms=asked_ms, body=call.body)
        return reply

    def _compare(self, recording: Recording, outside: Outside) -> None:
        task = asyncio.get_running_loop().create_task(self._checks.compare(recording, outside))
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)


def _refused(asked: ModelRequest, refusal: Refusal) -> Response:
    if asked.kind not in HTTP_KINDS:
        return gateway_error(400, refusal.internal_code, refusal.description, refusal.name)
    what = "AI Gateway request" if asked.kind is Kind.GATEWAY_HTTP else "outbound request"
    message = f"{what} denied: {asked.target}\n{refusal.description}"
    response = json_response({"error": {"message": message, "type": "fixture_miss", "code": refusal.code}}, DENIED)
    response.headers.append(("x-should-retry", "false"))
    return response

"""The model layer put together: every part below `ai/` is made and joined here, for one running server.

A call of the binding comes to `service`, any other request of user code to `egress`; both end in upstream.py, where recordings, backends
and faults are. What the control API can do to it is `verbs`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.config import Options, Redactor
from emulator.errors import EmuError
from emulator.gateway.ai.ai_gateway.prices import Prices
from emulator.gateway.ai.ai_gateway.usage import tokens_of
from emulator.gateway.ai.call_log import CallLog
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.checks import Checks
from emulator.gateway.ai.faults.book import FILE_NAME, FaultBook
from emulator.gateway.ai.inputs.input_rules import InputRules
from emulator.gateway.ai.lease import Lease
from emulator.gateway.ai.ledger import KINDS, Ledger
from emulator.gateway.ai.outside import Outside
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.recorder.known_secrets import known_secrets
from emulator.gateway.ai.recorder.recorder import Recorder
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.refresh import Refresher
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.routes import Routes
from emulator.gateway.ai.service import AiService, wall_ms
from emulator.gateway.ai.sessions import Sessions
from emulator.gateway.ai.upstream import Upstream
from emulator.gateway.ai.verbs import AiVerbs, ModelLayer
from emulator.gateway.clocks import Work, unmarked
from emulator.gateway.console import SessionEnded
from emulator.gateway.egress import EgressService
from emulator.gateway.journal import Journal
from emulator.gateway.network import Network

if TYPE_CHECKING:
    from emulator.gateway.ai.ai_gateway.gateway import AiGateway


class Layer:
    """`secrets` gives the project's secret values by name, at each call. `pacer` is the platform's clock: of played answers, windows, waits
    between attempts, faults; `now_ms` is its wall clock. `machine` and `machine_ms` are this machine's, which real servers and files go by
    (time limits, recorded rhythm, dates of recordings): another one only where the platform's is virtual, and then `work` marks each
    wait for a server. `entropy` gives random bytes (ids). `tell` hears of each session that ends. Raises UsageError E243 when there is no
    such cassette."""

    def __init__(
        self,
        root: Path,
        options: Options,
        journal: Journal,
        redact: Redactor,
        secrets: Callable[[], Mapping[str, str]],
        *,
        pacer: Pacer,
        tell: Callable[[SessionEnded], None] = lambda ended: None,
        now_ms: Callable[[], int] = wall_ms,
        machine: Pacer | None = None,
        machine_ms: Callable[[], int] | None = None,
        work: Work = unmarked,
        entropy: Callable[[int], bytes] = os.urandom,
        recheck_ms: float = 500,
    ) -> None:
        config = options.ai
        self._options = options
        self._gateway: AiGateway | None = None
        self._watching: asyncio.Task[None] | None = None

        machine = machine or pacer
        machine_now_ms = machine_ms or now_ms

        def now() -> datetime:
            return datetime.fromtimestamp(machine_now_ms() / 1000, UTC)

        def lookup(name: str) -> str | None:
            return secrets().get(name) or os.environ.get(name)

        def report(fields: dict[str, Any]) -> None:
            kind = str(fields.get("type", "ai"))
            journal.add(kind, **{name: value for name, value in fields.items() if name != "type"})

        def unstored(error: EmuError) -> None:
            journal.add("recording.problem", code=error.code, what=error.what, where=error.where, next=error.hint)

        redaction = Redaction(lambda: known_secrets(secrets(), config, os.environ), config.redact)
        library = Library([options.fixtures], options.cassette, recheck_ms=recheck_ms)
        self.playback = Playback(library, options.ai_mode, pacer, ci=options.ci, redact=redaction.request)
        prices = Prices(config.prices)
        self.ledger = Ledger(lambda model, tokens: prices.cost(model, tokens, None))
        journal.subscribe(self.ledger, KINDS)

        def new_recorder(
            report: Callable[[EmuError], None],
            folder: Path | None = None,
            stored: Callable[[tuple[str, str, str]], None] = lambda identity: None,
        ) -> Recorder:
            return Recorder(
                folder or options.fixtures,
                redaction,
                now=now,
                now_ms=machine.now_ms,
                report=report,
                stored=stored,
                price=lambda asked, usage: prices.cost(asked.target, tokens_of(usage), None),
            )

        def stored(identity: tuple[str, str, str]) -> None:
            self.playback.count_used(identity)
            journal.add("recorded", recording=f"{identity[0]}/{identity[1]}")

        def begun() -> None:
            self.faults.restart()
            if self._gateway is not None:
                self._gateway.restart()
            checks.clear()

        def lost(text: str) -> None:
            journal.add("session.lost", text=text)

        recorder = new_recorder(unstored, stored=stored)
        self.faults = FaultBook(options.seed, [options.fixtures / "ai" / FILE_NAME], report)
        checks = Checks()
        self._upstream = Upstream(self.playback, recorder, self.faults, checks)
        self._network = Network(work)
        self.routes = Routes(config, lookup, self._network.fetch, machine)
        outside = self._outside = Outside(self.playback, config, self.routes, lookup, self._network.fetch)

        def gateway() -> AiGateway:
            if self._gateway is None:
                # Late: most projects have no gateway, and its modules would be a tenth of what is imported before we serve.
                from emulator.gateway.ai.ai_gateway.gateway import AiGateway

                self._gateway = AiGateway(config, pacer, now_ms=now_ms, entropy=entropy, seed=options.seed or 0)
            return self._gateway

        self.calls = CallLog(report)
        rules = InputRules(config.validate, entropy)
        on_chunk = journal.chunk
        self.service = AiService(
            self.playback, self._upstream, gateway, outside, rules, self.calls.ended, on_chunk=on_chunk, entropy=entropy
        )
        self.egress = EgressService(
            self.playback, self._upstream, gateway, outside, self._network, config, self.calls.ended, on_chunk=on_chunk, entropy=entropy
        )
        self.sessions = Sessions(
            self.playback,
            self.ledger,
            recorder,
            root=root,
            fixtures=options.fixtures,
            max_age_days=config.max_age_days,
            tell=tell,
            begun=begun,
            now=now,
        )
        self.lease = Lease(self.sessions, self.playback, lost)
        layer = ModelLayer(
            self.playback,
            self.sessions,
            self.lease,
            self.ledger,
            self.calls,
            redact,
            routes=self.routes.rows,
            gateways=gateway,
            faults=self.faults,
            refresher=Refresher(library, outside.ask, new_recorder, config.max_age_days, machine.now_ms, now),
            drifts=checks,
        )
        self.verbs = AiVerbs(layer)

    def restart(self) -> None:
        """As at the server's start: another session begins, in the mode that the server was started with, and nothing is known of calls
        before. Raises RecordingError or OSError when what was recorded cannot be written; it has begun all the same."""
        self.lease.take_away()
        self.faults.begin_anew()
        self.calls.clear()
        if self._gateway is not None:
            self._gateway.reset()
        self.sessions.restart(mode=self._options.ai_mode, cassette=self._options.cassette, speed=self._options.ai_speed)

    def start(self) -> None:
        """Watch what people edit while the server runs."""
        self._watching = asyncio.get_running_loop().create_task(self.faults.watch())

    async def close(self) -> None:
        """End every call and connection."""
        if self._watching is not None:
            self._watching.cancel()
        await self._outside.close()
        await self._upstream.close()
        if self._gateway is not None:
            await self._gateway.close()
        await self._network.close()

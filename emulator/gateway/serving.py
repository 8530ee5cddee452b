"""One server's life in its process: the event loop, the signals, and an end within a bound whatever hangs."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import uvloop

from emulator.config import Options, Project
from emulator.gateway.assembly import Gateway
from emulator.gateway.console import Console, Note
from emulator.gateway.main import Start

STOP_WITHIN_S = 1.8
"""After a signal everything is over within two seconds, whatever hangs."""


def serve(project: Project, options: Options, console: Console, start: Start) -> int:
    """Run a gateway until it is told to end; gives the exit code."""
    if options.clock.virtual:
        from emulator.clock.idle_loop import IdleLoop

        # This loop can tell when nothing is left to do, which is when virtual time may move.
        with asyncio.Runner(loop_factory=IdleLoop) as runner:
            return runner.run(_serve(project, options, console, start))
    return uvloop.run(_serve(project, options, console, start))


async def _serve(project: Project, options: Options, console: Console, start: Start) -> int:
    loop = asyncio.get_running_loop()
    gateway = Gateway(project, options, console, start)

    def on_signal(number: signal.Signals) -> None:
        if gateway.stopped.done():
            start.first.kill()
            gateway.kill_all()
            os._exit(128 + number)
        gateway.quit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    starting = loop.create_task(gateway.start())
    try:
        either: set[asyncio.Future[Any]] = {starting, gateway.stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        code = await gateway.stopped
    finally:
        starting.cancel()
        if gateway.stopped.done() and gateway.stopped.result() >= 128:
            console.show(Note("stopping", "stopping"))
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await gateway.stop()
        except TimeoutError:
            start.lock.doubted()
            gateway.kill_all()
    return gateway.strict_code or code

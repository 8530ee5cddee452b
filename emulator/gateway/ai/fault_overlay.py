"""What a fault does to one call: `before` takes the place of an answer, `after` bends the one that came. Recordings stay as they are."""

from __future__ import annotations

from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.faults import Fault
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply


async def before(fault: Fault, asked: ModelRequest, pacer: Pacer) -> Reply | None:
    """The reply that takes the place of an answer; None when the call goes on. Raises NetworkFailure for `refuse`."""
    return None


async def after(fault: Fault, reply: Reply, pacer: Pacer) -> Reply:
    """`reply` with what the fault does to it. Never raises; a torn connection raises NetworkFailure from the body."""
    return reply

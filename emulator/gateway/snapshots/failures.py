"""What the machine can do to a state verb, as errors with a next step."""

from __future__ import annotations

from emulator.errors import EmuError, StartError, UsageError, UserCodeError
from emulator.gateway.snapshots import databases


def cannot_save(name: str, error: Exception) -> EmuError:
    """A file cannot be copied or written."""
    if isinstance(error, databases.Damaged):
        hint = "move the damaged file away, or save a class or an object without it"
        return UsageError("E269", f"the snapshot {name} cannot be saved: a database is damaged: {error}", hint=hint)
    return StartError("E325", f"the snapshot {name} cannot be written: {error}", hint="look at the disk and at permissions")


def cannot_stage(error: Exception) -> EmuError:
    """Nothing was touched."""
    return StartError(
        "E325", f"the state folder cannot be written: {error}", hint="look at the disk and at permissions; the state is untouched"
    )


def unfinished(error: Exception) -> EmuError:
    """Files were not, or not all, exchanged."""
    return StartError("E324", f"the exchange of the state could not be finished: {error}", hint="restart agents-emu, which finishes it")


def locked() -> EmuError:
    """Somebody does not let go of a file."""
    hint = "end what has it open, such as a database browser, and try again"
    return UserCodeError("E268", "an object's database stays locked", hint=hint)

"""Every error agents-emu shows, with its culprit, a stable code, the place and the next step.

::

    EmuError
     ├─ ConfigError        E1xx  the project's files are wrong                    exit 2
     ├─ UsageError         E2xx  the command line is wrong                        exit 2
     ├─ StartError         E3xx  the machine does not let us start (port, state)  exit 6
     ├─ UserCodeError      E4xx  the agent's own code failed                      exit 1
     ├─ RecordingError     E5xx  a recording is missing, stale or broken          exit 3
     ├─ BackendError       E6xx  a model backend or remote server misbehaved      exit 1
     └─ InternalError      E9xx  our bug                                          exit 70
          └─ WireError     E91x  a host and the gateway do not understand each other

Codes are public: they appear in logs, in the journal and across the link. `docs/errors.md` lists them.
"""

from __future__ import annotations

from enum import Enum


class Culprit(Enum):
    """Whose move it is."""

    USER_CODE = "user code"
    PROJECT = "project"
    BACKEND = "backend"
    MACHINE = "machine"
    EMULATOR = "agents-emu"


class EmuError(Exception):
    """Base of all. `what` is one sentence; `where` a `file:line` or a key path; `hint` the next command or edit."""

    culprit = Culprit.EMULATOR
    exit_code = 70
    reason = "internal"

    def __init__(self, code: str, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.hint = hint

    def render(self) -> str:
        """The error as people read it: code and sentence, then place and next step on indented lines."""
        lines = [f"{self.code} {self.what}"]
        for label, text in (("where", self.where), ("next", self.hint)):
            if text:
                first, *rest = text.splitlines()
                lines.append(f"  {label:5}  {first}")
                lines.extend(f"         {line}" for line in rest)
        return "\n".join(lines)


class ConfigError(EmuError):
    """A wrangler file, an env file or agents-emu.toml says something we cannot use."""

    culprit = Culprit.PROJECT
    exit_code = 2
    reason = "config"


class UsageError(EmuError):
    """The command line asks for something that does not exist or does not fit together."""

    culprit = Culprit.PROJECT
    exit_code = 2
    reason = "usage"


class StartError(EmuError):
    """The machine does not let us start: a port in use, a locked state folder, a missing interpreter."""

    culprit = Culprit.MACHINE
    exit_code = 6
    reason = "could not start"


class UserCodeError(EmuError):
    """The agent's own code failed: it does not import, lacks a class, or raised."""

    culprit = Culprit.USER_CODE
    exit_code = 1
    reason = "user code failed"


class RecordingError(EmuError):
    """A recording is missing, used up, stale or not readable."""

    culprit = Culprit.PROJECT
    exit_code = 3
    reason = "recording missing or stale"


class BackendError(EmuError):
    """A model backend or another remote server did not answer as its protocol says."""

    culprit = Culprit.BACKEND
    exit_code = 1
    reason = "backend failed"


class InternalError(EmuError):
    """Our bug. The text asks for a report."""


class WireError(InternalError):
    """Host and gateway do not understand each other (wire/README.md)."""

"""Tells the terminal what the journal records: entries become console events (console.py), in words for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.config import LogLevel, Notice
from emulator.errors import BackendError, EmuError, InternalError, RecordingError, StartError, UserCodeError
from emulator.gateway.ai.faults.failed_calls import FailedCalls
from emulator.gateway.console import Caution, Console, Note, RequestServed, Subject, Trouble, UserLog
from emulator.gateway.crash import Cause
from emulator.gateway.journal import Entry, Journal

_LEVELS = {
    "debug": LogLevel.DEBUG,
    "trace": LogLevel.DEBUG,
    "log": LogLevel.INFO,
    "info": LogLevel.INFO,
    "warn": LogLevel.WARN,
    "warning": LogLevel.WARN,
    "error": LogLevel.ERROR,
}
_WARNINGS = 500
"""So many are remembered as told."""


class Narrator:
    """A reader of the journal. Kinds it has no words for are shown nowhere but in the journal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failed = FailedCalls()
        self._warned: dict[str, None] = {}
        self._tell: dict[str, Callable[[Entry], None]] = {
            "request": self._request,
            "log": self._log,
            "exception": self._exception,
            "host.crashed": self._crashed,
            "host.recovered": self._recovered,
            "host.stuck": self._stuck,
            "load.failed": self._load_failed,
            "stall": self._stall,
            "denied": self._denied,
            "alarm.run": self._alarm,
            "internal": self._internal,
            "ai": self._ai,
            "egress": self._egress,
            "fault": self._fault,
            "recorded": self._recorded,
            "recording.problem": self._unstored,
            "session.lost": self._session_lost,
            "front": self._front,
            "violation": self._violation,
        }

    def attach(self, journal: Journal) -> None:
        """Hear of what happens from now on; of requests only while they are shown, because there may be very many."""
        journal.subscribe(self, self._tell.keys() - {"request"})
        journal.subscribe(self, {"request"}, when=lambda: self._console.shows(LogLevel.INFO))

    def __call__(self, entry: Entry) -> None:
        """One entry."""
        tell = self._tell.get(entry["kind"])
        if tell is not None:
            tell(entry)

    def _request(self, entry: Entry) -> None:
        self._console.show(RequestServed(entry["method"], entry["path"], entry["status"], entry["ms"], subject(entry)))

    def _log(self, entry: Entry) -> None:
        level = _LEVELS.get(str(entry.get("level")), LogLevel.INFO)
        self._console.show(UserLog(entry["text"], subject(entry), level))

    def _exception(self, entry: Entry) -> None:
        fields = entry["error"]
        if fields.get("code"):  # the emulator's own words, such as E350
            error = user_error(str(fields["code"]), str(fields.get("message")), where=place(fields), hint=fields.get("hint"))
            self._console.show(Trouble(error, None, subject(entry)))
            return
        what = f"{fields.get('name', 'Error')}: {fields.get('message', '')}"
        where = f" in {entry['where']}" if entry.get("where") else ""
        error = UserCodeError("E401", f"{what}{where}", where=place(fields))
        self._console.show(Trouble(error, fields.get("stack"), subject(entry)))

    def _crashed(self, entry: Entry) -> None:
        self._console.show(Trouble(crash_error(entry), "\n".join(entry["lines"]) or None))

    def _recovered(self, entry: Entry) -> None:
        self._console.show(Note("host.recovered", f"the agents' process is back after {entry['ms']} ms"))

    def _stuck(self, entry: Entry) -> None:
        what = f"the {entry['host']} host has not answered for {entry['bound_s']:.0f} s and is ended"
        self._console.show(
            Trouble(UserCodeError("E403", what, where=entry.get("where"), hint="look for a blocking call or an endless loop"))
        )

    def _load_failed(self, entry: Entry) -> None:
        self._console.show(Trouble(load_error(entry["error"], kept=entry["kept"]), entry["error"].get("stack")))

    def _stall(self, entry: Entry) -> None:
        who = subject(entry)
        label = f"{who.class_name}/{who.name} " if who else ""
        what = f"{label}blocked the event loop for {entry.get('ms')} ms"
        self._console.show(Caution(Notice(what, entry.get("where"), "use the asynchronous form of what is called there")))

    def _denied(self, entry: Entry) -> None:
        hint = "use HTTP, which is recorded and replayed, or run with --ai live"
        error = BackendError("E631", f"{entry['what']} was denied: what goes over it is not recorded", where=entry.get("where"), hint=hint)
        self._console.show(Trouble(error))

    def _alarm(self, entry: Entry) -> None:
        if entry["outcome"] != "done" or self._console.shows(LogLevel.DEBUG):
            level = LogLevel.DEBUG if entry["outcome"] == "done" else LogLevel.WARN
            again = f", again in {entry['retry_ms'] - entry['ts_ms']} ms" if entry["retry_ms"] else ""
            self._console.show(Note("alarm", f"alarm {entry['outcome']}{again} (retry {entry['retry']})", subject(entry), level))

    def _internal(self, entry: Entry) -> None:
        error = InternalError("E900", entry["text"], hint="please report this with .agents-emu/journal.ndjson")
        self._console.show(Trouble(error))

    def _ai(self, entry: Entry) -> None:
        self._beside(entry)
        failed = self._failed.line(entry)
        if entry.get("problem"):
            code = str(entry.get("code") or "E900")
            what = f"model call {entry.get('model')}: {str(entry['problem']).removeprefix(f'{code} ')}"
            self._console.show(Trouble(user_error(code, what, where=None, hint=None)))
        elif failed is not None:
            self._console.show(Note("ai.failed", failed, level=LogLevel.WARN))
        elif entry.get("notice"):
            self._console.show(Caution(Notice(str(entry["notice"]))))

    def _beside(self, entry: Entry) -> None:
        """What a model call leaves to tell beside its answer, each text once: what was lost in translation, what its inputs violate."""
        for warning in entry.get("warnings") or ():
            text = f"{entry.get('model') or entry.get('url')}: {warning}"
            if text not in self._warned:
                self._warned[text] = None
                self._console.show(Caution(Notice(text)))
        while len(self._warned) > _WARNINGS:
            del self._warned[next(iter(self._warned))]

    def _recorded(self, entry: Entry) -> None:
        self._console.show(Note("ai.recorded", f"recorded {entry['recording']}"))

    def _unstored(self, entry: Entry) -> None:
        """An answer from outside that could not be recorded: user code never hears of it, so its owner must."""
        self._console.show(Trouble(user_error(entry["code"], entry["what"], where=entry["where"], hint=entry["next"])))

    def _session_lost(self, entry: Entry) -> None:
        self._console.show(Note("ai.session.lost", str(entry["text"]), level=LogLevel.WARN))

    def _front(self, entry: Entry) -> None:
        failed = f", {entry['failed']} of them failed" if entry["failed"] else ""
        text = f"vite answered {entry['requests']} requests in {entry['ms']} ms{failed}"
        self._console.show(Note("front", text, level=LogLevel.DEBUG))

    def _violation(self, entry: Entry) -> None:
        who = subject(entry)
        label = f"{who.class_name}/{who.name}: " if who else ""
        client = f"client {entry['client']}" if entry.get("client") else f"socket {entry['socket']}"
        what = f"{entry['code']} {label}{entry['what']} ({client})"
        self._console.show(Caution(Notice(what, hint=f"agents-emu scenario run --explain {entry['code']}")))

    def _fault(self, entry: Entry) -> None:
        if entry.get("problem"):
            self._console.show(Caution(Notice(f"{entry['code']} {entry['problem']}", entry.get("where"), entry.get("next"))))

    def _egress(self, entry: Entry) -> None:
        self._beside(entry)
        failed = self._failed.line(entry)
        if entry.get("problem"):
            what = f"{entry.get('method')} {entry.get('url')}: "
            self._console.show(Note("egress", what + str(entry["problem"]).removeprefix(what), level=LogLevel.WARN))
        elif failed is not None:
            self._console.show(Note("ai.failed", failed, level=LogLevel.WARN))


def subject(entry: Entry) -> Subject | None:
    """The object that an entry is about."""
    about: Any = entry.get("object")
    if not isinstance(about, dict) or not about.get("class"):
        return None
    return Subject(str(about["class"]), str(about.get("name") or about.get("id") or ""), about.get("generation"))


def user_error(code: str, what: str, *, where: str | None, hint: str | None) -> EmuError:
    """One of our own errors that user code or a call of it ran into, of the culprit that its code says."""
    kinds: dict[str, type[EmuError]] = {"E3": StartError, "E4": UserCodeError, "E5": RecordingError, "E6": BackendError}
    return kinds.get(code[:2], InternalError)(code, what, where=where, hint=hint)


def crash_error(entry: Entry) -> UserCodeError:
    """Why the host is started again."""
    host, status = entry["host"], entry["status"]
    again = "it is started again" + (f"; {entry['sockets']} sockets stay open" if entry["sockets"] else "")
    if entry["cause"] == Cause.HEAP:
        hint = "look for what keeps growing; NODE_OPTIONS=--max-old-space-size=8192 allows 8 GB"
        return UserCodeError("E404", f"the {host} host ran out of memory: JavaScript's heap was full; {again}", hint=hint)
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    killer = "something else killed it: the system does that when memory is short" if entry["cause"] == Cause.OUTSIDE else None
    return UserCodeError("E402", f"the {host} host ended with {how}; {again}", hint=killer)


def load_error(error: dict[str, Any], *, kept: bool) -> EmuError:
    """Why the project's code does not load, with the place and what happens now."""
    rest = "the last code that loaded goes on serving; save a fix" if kept else "save a fix; requests get this error until then"
    hint = f"{error['hint']}\n{rest}" if error.get("hint") else rest
    if error.get("code"):
        return user_error(str(error["code"]), str(error.get("message", "")), where=place(error), hint=hint)
    what = f"the project's code does not load: {error.get('name', 'Error')}: {error.get('message', '')}"
    return UserCodeError("E411", what, where=place(error), hint=hint)


def place(error: dict[str, Any]) -> str | None:
    """`file:line` of an error object: as the host says, else the last place in a Python traceback."""
    if error.get("where"):
        return str(error["where"])
    for line in reversed(str(error.get("stack") or "").splitlines()):
        head, quote, rest = line.strip().partition('"')
        if head == "File " and quote:
            path, _, tail = rest.partition('"')
            number = "".join(character for character in tail.partition("line ")[2].split(",")[0] if character.isdigit())
            return f"{path}:{number}" if number else path
    return None

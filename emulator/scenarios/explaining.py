"""What the codes of scenarios mean, in a few sentences each; the short table is docs/errors.md. Those of chat streams have their own."""

from __future__ import annotations

from emulator.config.shape import nearest
from emulator.core import stream_violations
from emulator.errors import UsageError

TEXTS = {
    "E280": "The file cannot be read, or is no YAML.  The line is where the reader gave up; the cause often stands one line above.",
    "E281": "The file is YAML and no scenario: a key nobody knows, a value of another kind, a client that is not there."
    " `agents-emu scenario check` lists every problem at once.",
    "E282": "A step uses ${name} before a pattern has bound it. A pattern binds a variable where it meets it first: expect, http, call.",
    "E283": "A step cannot be done in this situation, such as connecting a client that is connected.",
    "E284": "The golden transcript was written by another version of agents-emu, or by something else. Look at the run, then --update.",
    "E285": "Nothing could be recorded, or the file to record into exists already, or its folder does not.",
    "E290": "A sweep runs a scenario many times and compares. On the real clock no two runs are the same, with or without a fault.",
    "E291": "The scenario never comes to a point of this kind: no request leaves, say, or nothing is committed. The connections that a"
    " scenario begins with are not interrupted.",
    "E292": "Each point is a run of its own. Choose fewer kinds with --at, or sweep a shorter scenario.",
    "E480": "What a step waits for did not come within its time, which is 30 s on the scenario's clock unless timeout says otherwise. On a"
    " virtual clock this takes no time, so it is never the machine's slowness: nothing was going to come. The nearest frame and what"
    " differs in it are shown.",
    "E481": "An answer, a result or a check at the end has another value than its pattern allows.",
    "E482": "The Worker let a client in that should have been refused, or refused one that should have been let in.",
    "E483": "A step needs an open connection, and the client has none.",
    "E484": "A frame came that `none` forbids.",
    "E485": "A chat turn ended in another way: completed, aborted, error, skipped or lost.",
    "E486": "A verb did not do what it should: an object that stays in memory, code that does not load.",
    "E487": "All expectations were met, and yet the transcript differs from the golden one. Left is golden, right is now. If now is right,"
    " --update makes it golden.",
    "E489": "The scenario did not end within its real bound (--bound) and was ended. Shown are the expectations that were not met, the open"
    " clients, the objects in memory with what holds them, and the next deadlines.",
}


def explanation(code: str) -> str:
    """The text of a code. Raises UsageError E281 for one that is not ours."""
    text = TEXTS.get(code.upper()) or stream_violations.explain(code.upper())
    if text is None:
        close = nearest(code.upper(), list(TEXTS))
        hint = f"did you mean {close}? docs/errors.md has all codes" if close else "docs/errors.md has all codes"
        raise UsageError("E203", f"{code} is no code of scenarios", hint=hint)
    return f"{code.upper()}  {text}"

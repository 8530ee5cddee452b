"""A scenario from what was seen of a session: journal entries in, the file's data out. Pure.

What clients did become steps, in their order. What they got becomes expectations, between the steps, for each client: JSON subsets with
variables for what the server invents (recorded_values.py). Pauses become `advance`, because agents see time pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from emulator.scenarios.recorded_values import RecordedValues
from emulator.scenarios.yaml_text import Comment

Entry = Mapping[str, Any]

PAUSE_MS = 1_500
"""A client that does nothing for so long, with nothing to hear, lets time pass."""
MOST_DELTAS = 8
"""Of a longer run of text deltas the middle is left out: the answer's text is held by the golden transcript."""
_SHOWN_DELTAS = 3
_STATIC = re.compile(r"^(text/(html|css|javascript)|image/|font/|audio/|video/|application/(javascript|wasm|manifest))")
_ABNORMAL = 1006
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
KINDS = ("socket.open", "socket.close", "socket.drop", "socket.end", "frame", "request", "verb", "ai", "egress")


class Recording:
    """Feed it entries in their order with `add`; `data` is the scenario so far."""

    def __init__(self, start_ms: int) -> None:
        self._values = RecordedValues(start_ms)
        self._at_ms = start_ms
        self._clients: dict[str, Any] = {}
        self._addresses: dict[str, str] = {}
        self._names: dict[int, str] = {}
        self._open: dict[int, bool] = {}
        self._dropped: set[int] = set()
        self._early: dict[int, list[Entry]] = {}
        self._heard: dict[str, list[Any]] = {}
        self._rows: list[Any] = []
        self.sources: dict[str, int] = {}
        """How often model calls were answered by what: recording, stub, ..."""

    @property
    def steps(self) -> int:
        """How many steps there are so far."""
        return sum(not isinstance(row, Comment) for row in self._rows) + len(self._heard)

    def already_open(self, socket: int, url: str) -> None:
        """A client that was connected before the recording began."""
        path = "/" + url.partition("://")[2].partition("/")[2] if "://" in url else url
        self._connect(socket, path)

    def add(self, entry: Entry) -> None:
        """One more entry; those of other kinds than KINDS mean nothing."""
        kind = entry.get("kind")
        if kind == "frame":
            self._frame(entry)
        elif kind == "socket.open":
            self._opened(entry)
        elif kind == "socket.close":
            self._closed(entry)
        elif kind == "socket.drop":
            self._dropped.add(int(entry["socket"]))
        elif kind == "socket.end":
            self._ended(entry)
        elif kind == "request":
            self._request(entry)
        elif kind == "verb":
            if not self._verb(entry):
                return
        elif kind in ("ai", "egress"):
            self._call(entry)
            return
        else:
            return
        if int(entry.get("socket", 0)) not in self._early:
            self._at_ms = max(self._at_ms, int(entry.get("ts_ms", self._at_ms)))

    def _call(self, entry: Entry) -> None:
        if entry.get("model"):
            source = str(entry.get("source"))
            self.sources[source] = self.sources.get(source, 0) + 1

    def data(self) -> dict[str, Any]:
        """`clients` and `steps` of the file."""
        self._flush()
        return {"clients": dict(self._clients), "steps": list(self._rows)}

    # -- connections

    def _opened(self, entry: Entry) -> None:
        path = str(entry["url"])
        path = "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path
        if entry.get("query"):
            path = f"{path}?{entry['query']}"
        socket = int(entry["socket"])
        if socket in self._names:
            return  # it opened just when the recording began, and was seen already
        self._passed(entry)
        self._connect(socket, path, str(entry.get("protocols") or ""))
        for early in self._early.pop(socket, ()):
            self._frame(early)

    def _connect(self, socket: int, path: str, protocols: str = "") -> None:
        self._flush()
        new = _name(len(self._clients))
        if path not in self._addresses:
            self._addresses[path] = self._values.address(path, new)
        path = self._addresses[path]
        plan: Any = {"connect": path, "protocols": re.split(r"\s*,\s*", protocols)} if protocols else path
        gone = (name for name, known in self._clients.items() if known == plan and not self._is_open(name))
        name = next(gone, None)
        if name is None:
            name = new
            self._clients[name] = plan
        self._names[socket] = name
        self._open[socket] = True
        self._rows.append({"connect": name})

    def _is_open(self, name: str) -> bool:
        return any(self._open[socket] for socket, known in self._names.items() if known == name)

    def _closed(self, entry: Entry) -> None:
        socket = int(entry["socket"])
        if not self._open.get(socket):
            return
        name, code = self._names[socket], entry.get("code")
        if socket in self._dropped and not entry.get("clean", True):
            self._ended(entry)
            return
        if entry["by"] == "server":
            self._flush()
            close = {"code": code, **({"reason": entry["reason"]} if entry.get("reason") else {})}
            self._rows.append({"expect": {"client": name, "close": close}})
        else:
            self._passed(entry)
            self._flush()
            self._rows.append({"disconnect": self._leaving(name, entry)})
        self._open[socket] = False

    @staticmethod
    def _leaving(name: str, entry: Entry) -> Any:
        code = entry.get("code")
        if not entry.get("clean", True) or code == _ABNORMAL:
            return {"client": name, "mode": "abort"}
        if code in (None, 1000, 1005) and not entry.get("reason"):
            return name
        return {"client": name, "code": code, **({"reason": entry["reason"]} if entry.get("reason") else {})}

    def _ended(self, entry: Entry) -> None:
        """Nobody said Close, and the client did not go: the server was cut off, or cut it off."""
        socket = int(entry["socket"])
        if self._open.get(socket):
            self._flush()
            self._open[socket] = False
            self._rows.append({"expect": {"client": self._names[socket], "close": _ABNORMAL}})

    # -- frames

    def _frame(self, entry: Entry) -> None:
        socket = int(entry["socket"])
        if socket not in self._names:
            self._early.setdefault(socket, []).append(entry)
            return
        name = self._names[socket]
        if entry["dir"] == "out":
            self._heard.setdefault(name, []).append(self._expected(entry))
            return
        self._passed(entry)
        self._flush()
        self._rows.append({"send": {"client": name, **self._sent(entry)}})

    def _expected(self, entry: Entry) -> Any:
        if entry.get("cut"):
            return {"$any": True}
        if entry["type"] == "binary":
            return {"$bytes": entry["base64"]}
        data = _json(entry["text"])
        return self._values.pattern(entry["text"] if data is None else data)

    def _sent(self, entry: Entry) -> dict[str, Any]:
        if entry["type"] == "binary":
            return {"bytes": entry["base64"]}
        data = _json(entry["text"])
        return {"text": self._values.said(entry["text"])} if data is None else {"json": self._values.said(data)}

    # -- requests and verbs

    def _request(self, entry: Entry) -> None:
        status = int(entry["status"])
        answer = entry.get("response") or {}
        content_type = str(answer.get("type", ""))
        if status in (0, 101, 304) or (not entry.get("object") and _STATIC.match(content_type)):
            return
        path = f"{entry['path']}?{entry['query']}" if entry.get("query") else str(entry["path"])
        step: dict[str, Any] = {"request": f"{entry['method']} {self._values.said(path)}"}
        body = entry.get("body") or {}
        if body.get("bytes"):
            if "text" not in body or body.get("cut"):
                self._rows.append(Comment(f"left out: {entry['method']} {entry['path']} with a body of {body['bytes']} bytes"))
                return
            data = _json(body["text"]) if "json" in str(body.get("type")) else None
            step |= {"text": self._values.said(body["text"])} if data is None else {"json": self._values.said(data)}
            if data is None and body.get("type"):
                step["headers"] = {"content-type": body["type"]}
        self._passed(entry)
        self._flush()
        step["expect"] = {"status": status, **self._answer(answer, content_type)}
        self._rows.append({"http": step})

    def _answer(self, answer: Entry, content_type: str) -> dict[str, Any]:
        text = answer.get("text")
        if not text or answer.get("cut"):
            return {}
        data = _json(text) if "json" in content_type else None
        return {"text": self._values.pattern(text)} if data is None else {"json": self._values.pattern(data)}

    def _verb(self, entry: Entry) -> bool:
        """Whether it is a step: looking is none, and time that is moved in other ways than by `advance` is a pause."""
        row = self._step_of(str(entry["verb"]), entry.get("args") or {})
        if row is None:
            return False
        if "advance" not in row:
            self._passed(entry)
        self._flush()
        self._rows.append(row)
        return True

    def _step_of(self, verb: str, args: Mapping[str, Any]) -> dict[str, Any] | None:
        found = re.fullmatch(r"POST (objects|alarms)/([^/]+)/([^/]+)/(\w+)", verb)
        if found is not None:
            return _object_step(found[1], f"{unquote(found[2])}/{unquote(found[3])}", found[4], args)
        found = re.fullmatch(r"POST sockets/(\d+)/(drop|resume)", verb)
        if found is not None:
            name = self._names.get(int(found[1]))
            if name is None:
                return None
            if found[2] == "resume":
                return {"resume": name}
            return {"stall": name} if args.get("mode") == "stall" else {"drop": {"client": name, **args}}
        found = re.fullmatch(r"POST hosts/\w+/(crash|restart)", verb)
        if found is not None:
            return {found[1]: None}
        if verb == "POST deploy":
            return {"deploy": None}
        if verb == "POST clock/advance" and isinstance(args.get("ms"), int):
            return {"advance": f"{args['ms']}ms"}
        if verb == "POST ai/faults":
            return {"fault": dict(args)}
        return None

    # --

    def _passed(self, entry: Entry) -> None:
        """Before something that a client does: the time since the last entry, when there was nothing to hear meanwhile."""
        pause_ms = int(entry.get("ts_ms", self._at_ms)) - self._at_ms
        if pause_ms >= PAUSE_MS and self._rows:
            self._flush()
            self._rows.append({"advance": f"{round(pause_ms / 1000)}s"})

    def _flush(self) -> None:
        """Expectations of what came since the last step."""
        heard, self._heard = self._heard, {}
        for name, frames in heard.items():
            shorter = _without_middle(frames)
            what = {"frame": shorter[0]} if len(shorter) == 1 else {"frames": shorter}
            self._rows.append({"expect": {"client": name, **what}})


def _object_step(noun: str, name: str, verb: str, args: Mapping[str, Any]) -> dict[str, Any] | None:
    if noun == "alarms":
        return {verb: name} if verb in ("fire", "skip") else None
    if verb == "hibernate":
        return {"hibernate": name}
    if verb == "evict":
        return {"evict": name if args.get("sockets", "hibernate") == "hibernate" else {"object": name, "sockets": args["sockets"]}}
    if verb == "abort":
        return {"abort": {"object": name, "reason": args["reason"]} if args.get("reason") else name}
    if verb == "call":
        return {"call": {"object": name, "method": args.get("method"), "args": args.get("args", [])}}
    return None


def _without_middle(frames: list[Any]) -> list[Any]:
    """Long runs of text deltas without their middle."""
    found: list[Any] = []
    run: list[Any] = []
    for frame in [*frames, None]:
        if frame is not None and _is_delta(frame):
            run.append(frame)
            continue
        if len(run) > MOST_DELTAS:
            run = [*run[:_SHOWN_DELTAS], *run[-_SHOWN_DELTAS:]]
        found += run
        run = []
        if frame is not None:
            found.append(frame)
    return found


def _is_delta(frame: Any) -> bool:
    body = frame.get("body") if isinstance(frame, dict) else None
    inner = body.get("$json") if isinstance(body, dict) else None
    return isinstance(inner, dict) and str(inner.get("type", "")).endswith("-delta")


def _json(text: str) -> Any:
    """An object or a list; other JSON is written as the text that it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _name(number: int) -> str:
    """a, b, ... z, a2, ..."""
    turn, letter = divmod(number, len(_LETTERS))
    return _LETTERS[letter] if not turn else f"{_LETTERS[letter]}{turn + 1}"

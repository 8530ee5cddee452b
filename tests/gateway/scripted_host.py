"""A host for tests: speaks the link, runs no user code. What it does is chosen by the request's path, or by the project's `main` file:
`fail` in it makes LOAD fail, the rest of it is the version that `/version` answers.

Run as `python scripted_host.py --link PATH`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from emulator.clock.idle_loop import IdleLoop
from emulator.clock.virtual import VirtualClock
from emulator.core.ids import Namespace
from emulator.wire import frames
from emulator.wire.exchange import Answer, BodyBroken, BodyReader, Incoming, RemoteError
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link

AWAKE = {"what": "timer", "text": "a timer of 30 s", "where": "src/chat.py:88", "since_ms": None}
OBJECT = {"class": "Echo", "id": Namespace.of("t", "Echo").id_from_name("a"), "name": "a"}


class Host:
    def __init__(self) -> None:
        self.clock: VirtualClock | None = None
        self.link = Link(self, odd=False, clock=self.now_ms)
        self.project: dict[str, Any] = {}
        self.version = ""
        self.handover: dict[str, Any] = {}
        self.sockets: dict[int, dict[str, Any]] = {}
        self.heard: list[str] = []
        self.alarms: list[dict[str, Any]] = []
        self.alarm_outcome = "done"
        self.done = asyncio.Event()
        self.grace_s = 0.0
        self.points = False
        self.trap: int | None = None
        self.passed = 0
        self.protocol = 99 if Path("other-protocol.log").exists() else frames.PROTOCOL

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 if self.clock is None else self.clock.now_ms()

    # -- session

    def on_session(self, frame: Frame) -> None:
        if frame.kind == Kind.LOAD:
            self.project = frame.json()["project"]
            if self.project["clock"]["virtual"]:
                self.clock = VirtualClock(self.project["clock"]["now_ms"])
            source = (Path(self.project["root"]) / self.project["main"]).read_text()
            if "fail" in source:
                stack = f'Traceback (most recent call last):\n  File "{self.project["main"]}", line 3\nSyntaxError: invalid syntax'
                self.link.send_json(Kind.FAILED, {"name": "SyntaxError", "message": "invalid syntax", "stack": stack, "props": {}})
                return
            if "die at load" in source:
                print("about to die", flush=True)
                os._exit(3)
            if "slow load" in source:
                time.sleep(1.0)
            if "die unless started" in source:
                asyncio.get_running_loop().call_later(0.2, lambda: self.handover or os._exit(3))
            self.version = source.strip()
            exports = [{"name": "Echo", "kind": "class", "alarm": True}]
            self.link.send_json(Kind.READY, {"exports": exports, "handlers": ["fetch"], "modules": ["json"], "warnings": ["it works"]})
        elif frame.kind == Kind.START:
            self.handover = frame.json()
            for row in self.handover["sockets"]:
                self.sockets[row["socket"]] = row
        elif frame.kind == Kind.DRAIN:
            self.link.spawn(self._drain())

    async def _drain(self) -> None:
        await asyncio.sleep(self.grace_s)
        self.link.send_json(Kind.DRAINED, {"reset": 0})
        self.link.close()
        self.done.set()

    def on_lost(self, error: Exception | None) -> None:
        self.done.set()

    # -- the worker

    def on_request(self, incoming: Incoming) -> None:
        assert incoming.head is not None
        path = incoming.head.url.split("/", 3)[3]
        incoming.on_cancel = lambda reason: self.heard.append(f"cancel {path} {reason}")
        if path == "hello":
            incoming.respond(200, b"OK", [(b"content-type", b"text/plain")], b"hello")
        else:
            self.link.spawn(self._fetch(incoming, path.split("?")[0]))

    async def _fetch(self, incoming: Incoming, path: str) -> None:
        head = incoming.head
        assert head is not None
        body = incoming.body
        match path.split("/"):
            case ["version"]:
                incoming.respond(200, b"OK", [], self.version.encode())
            case ["slow", ms]:
                await asyncio.sleep(int(ms) / 1000)
                incoming.respond(200, b"OK", [], self.version.encode())
            case ["pid"]:
                incoming.respond(200, b"OK", [], str(os.getpid()).encode())
            case ["head"]:
                fields = {
                    "method": head.method,
                    "url": head.url,
                    "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in head.headers],
                }
                incoming.respond(200, b"OK", [(b"content-type", b"application/json")], json.dumps(fields).encode())
            case ["echo"]:
                headers = [(b"x-a", b"1"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Z", b"2")]
                incoming.respond(200, b"OK", headers, body if body is not None else b"")
            case ["whole"]:
                data = body if isinstance(body, bytes) else b"".join([chunk async for chunk in body]) if body else b""
                incoming.respond(200, b"OK", [], str(len(data)).encode())
            case ["count"]:
                size = 0
                assert isinstance(body, BodyReader)
                with contextlib.suppress(BodyBroken):
                    async for chunk in body:
                        size += len(chunk)
                        await asyncio.sleep(0)
                incoming.respond(200, b"OK", [], str(size).encode())
            case ["hold"]:
                await asyncio.sleep(3600)
            case ["stream", count, pause_ms]:
                incoming.respond(200, b"OK", [(b"content-type", b"text/event-stream")], self._stream(int(count), int(pause_ms)))
            case ["flood"]:
                incoming.respond(200, b"OK", [], self._flood())
            case ["length", announced, real]:
                headers = [(b"content-length", announced.encode())]
                incoming.respond(200, b"OK", headers, self._bytes(int(real)))
            case ["broken"]:
                incoming.respond(200, b"OK", [], self._broken())
            case ["status", code]:
                incoming.respond(int(code), b"", [(b"x-a", b"1")], b"" if code in ("204", "304") else b"body")
            case ["packed", coding, how]:
                headers = [(b"content-encoding", coding.encode()), (b"content-length", b"6000")]
                if how == "manual":
                    incoming.respond(200, b"OK", headers[:1], gzip.compress(b"packed by hand"), encoded=True)
                else:
                    incoming.respond(200, b"OK", headers, b"hello " * 1000 if how == "whole" else self._bytes_of([b"hello "] * 1000))
            case ["error"]:
                error = {"name": "ValueError", "message": "nope", "stack": "Traceback:\n  ...\nValueError: nope", "props": {}}
                incoming.fail(error)
            case ["heard"]:
                incoming.respond(200, b"OK", [], json.dumps(self.heard).encode())
            case ["state"]:
                state = {
                    "sockets": sorted(self.sockets),
                    "handover": self.handover,
                    "exchanges": self.link.open_exchanges,
                    "alarms": self.alarms,
                    "cwd": os.getcwd(),
                    "project": {name: value for name, value in self.project.items() if name != "secrets"},
                }
                incoming.respond(200, b"OK", [], json.dumps(state).encode())
            case ["alarm", delay_ms]:
                due = self.now_ms() + int(delay_ms)
                await self.link.call("alarm", **OBJECT, time_ms=due)
                incoming.respond(200, b"OK", [], str(due).encode())
            case ["timer", delay_ms, *every]:
                self._arm(int(delay_ms), bool(every))
                incoming.respond(200, b"OK", [], b"")
            case ["spin"]:
                incoming.respond(200, b"OK", [], b"")
                while "stop" not in self.heard:
                    await asyncio.sleep(0)
            case ["stop"]:
                self.heard.append("stop")
                incoming.respond(200, b"OK", [], b"")
            case ["outcome", name]:
                self.alarm_outcome = name
                incoming.respond(200, b"OK", [], b"")
            case ["grace", ms]:
                self.grace_s = int(ms) / 1000
                incoming.respond(200, b"OK", [], b"")
            case ["auto", request, response]:
                self.link.note("auto_response", **OBJECT, request=request, response=response)
                incoming.respond(200, b"OK", [], b"")
            case ["note", text]:
                self.link.note("log", level="info", text=text, object=OBJECT)
                print("raw output", flush=True)
                incoming.respond(200, b"OK", [], b"")
            case ["die"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case ["egress", *rest]:
                await self._egress(incoming, "http://" + "/".join(rest))
            case ["assets", *rest]:
                await self._assets(incoming, "http://any/" + "/".join(rest))
            case ["ai", class_name, name]:
                await self._model(incoming, class_name, name)
            case ["points", count]:
                await self._pass_points(incoming, int(count))
            case ["far", *rest]:
                await self._far(incoming, "http://" + "/".join(rest))
            case ["ws", *options]:
                await self._accept(incoming, options)
            case ["slowws", ms]:
                await asyncio.sleep(int(ms) / 1000)
                await self._accept(incoming, [])
            case _:
                incoming.respond(404, b"Not Found", [(b"x-worker", b"1")], b"no such script")

    def _arm(self, delay_ms: int, again: bool) -> None:
        """A timer of user code, once or for ever."""
        assert self.clock is not None

        def fire() -> None:
            self.heard.append(f"timer {self.now_ms()}")
            if again:
                self._arm(delay_ms, again)

        self.clock.call_at(self.now_ms() + delay_ms, fire)

    async def _tick(self, incoming: Incoming, to_ms: int) -> None:
        loop = asyncio.get_running_loop()
        assert self.clock is not None and isinstance(loop, IdleLoop)
        self.clock.set(to_ms)
        self.clock.fire_due()
        await loop.idle()
        incoming.result({"next_ms": self.clock.next_deadline()})

    async def _stream(self, count: int, pause_ms: int) -> Any:
        try:
            for number in range(count):
                yield b"data: %d\n\n" % number
                await asyncio.sleep(pause_ms / 1000)
        except (GeneratorExit, asyncio.CancelledError):
            self.heard.append("stream closed")
            raise

    async def _flood(self) -> Any:
        sent = 0
        try:
            while True:
                sent += 65536
                yield b"x" * 65536
        finally:
            self.heard.append(f"flood {sent}")

    async def _bytes_of(self, chunks: list[bytes]) -> Any:
        for chunk in chunks:
            yield chunk

    async def _bytes(self, count: int) -> Any:
        for _ in range(count):
            yield b"x"

    async def _broken(self) -> Any:
        yield b"first"
        await asyncio.sleep(0.01)
        raise ValueError("the source broke")

    async def _egress(self, incoming: Incoming, url: str) -> None:
        answer: Answer = await self.link.request(b"egress", b"GET", url.encode(), [(b"accept", b"*/*")]).answer
        incoming.respond(answer.status, answer.reason.encode(), [], answer.body)

    async def _assets(self, incoming: Incoming, url: str) -> None:
        answer: Answer = await self.link.request(b"assets", b"GET", url.encode(), []).answer
        incoming.respond(answer.status, answer.reason.encode(), list(answer.headers), answer.body)

    async def _model(self, incoming: Incoming, class_name: str, name: str) -> None:
        """An object asks a model; answered with the number of chunks it got. Each goes to all sockets."""
        headers = [(b"cf-consn-model-id", b"@cf/meta/llama-3.1-8b-instruct"), (b"content-type", b"application/json")]
        headers.append((b"x-emu-object", f"{class_name}/{Namespace.of('t', class_name).id_from_name(name)}".encode()))
        question = json.dumps({"inputs": {"prompt": "Say many words", "stream": True}, "options": {}}).encode()
        answer = await self.link.request(b"ai", b"POST", b"https://workers-binding.ai/run?version=3", headers, question).answer
        assert isinstance(answer.body, BodyReader), answer.body
        count = 0
        async for _ in answer.body:
            count += 1
            for ident in self.sockets:
                self.link.send(Kind.TEXT, ident, b"chunk %d" % count)
        incoming.respond(200, b"OK", [], str(count).encode())

    async def _pass_points(self, incoming: Incoming, count: int) -> None:
        """A turn of `count` points, each after a frame to every socket; stops where it is told to, as wire/README.md says."""
        for number in range(1, count + 1):
            for ident in self.sockets:
                self.link.send(Kind.TEXT, ident, b"before %d" % number)
            self._point("frame", f"before {number}")
            if number % 5 == 0:
                await asyncio.sleep(0)
        incoming.respond(200, b"OK", [], str(self.passed).encode())

    def _point(self, what: str, label: str) -> None:
        if not self.points:
            return
        self.passed += 1
        lines = [str(self.passed), what, OBJECT["class"], OBJECT["id"], OBJECT["name"], "1", label]
        self.link.send(Kind.POINT, 0, "\n".join(lines).encode())
        if self.passed == self.trap:
            self.link.flush()
            os.kill(os.getpid(), signal.SIGSTOP)

    async def _far(self, incoming: Incoming, url: str) -> None:
        """Open a WebSocket, send one message, answer with what comes back."""
        exchange = self.link.request(b"egress", b"GET", url.encode(), [(b"upgrade", b"websocket")], upgrade=True)
        try:
            answer: Answer = await exchange.answer
        except RemoteError as error:
            incoming.fail(error.fields)
            return
        if not answer.upgraded:
            incoming.respond(answer.status, b"Refused", answer.headers, answer.body)
            return
        self.sockets[answer.id] = {"reply": incoming}
        self.link.send(Kind.TEXT, answer.id, b"from the host")

    # -- sockets

    async def _accept(self, incoming: Incoming, options: list[str]) -> None:
        link, ident = self.link, incoming.id
        if "refuse" in options:
            incoming.respond(403, b"Forbidden", [], b"no")
            return
        if "standard" not in options:
            fields = {**OBJECT, "tags": ["t1", "t2"], "url": incoming.head.url if incoming.head else ""}
            link.send_json(Kind.ACCEPTED, fields, ident)
        self.sockets[ident] = {}
        link.send(Kind.TEXT, ident, b"early")
        headers = [(b"upgrade", b"websocket"), (b"x-from", b"host")]
        if "protocol" in options:
            headers.append((b"sec-websocket-protocol", b"chat"))
        incoming.upgrade(headers)
        link.send(Kind.TEXT, ident, b"opened")

    def on_socket(self, frame: Frame) -> None:
        link, ident = self.link, frame.id
        socket = self.sockets.get(ident, {})
        if frame.kind in (Kind.TEXT, Kind.BINARY):
            if "hold credit" not in socket:
                link.send(Kind.CREDIT, ident, frames.write_credit(len(frame.payload)))
            self._message(ident, frame)
        elif frame.kind == Kind.CLOSE:
            code, reason = frames.read_close(frame.payload)
            clean = bool(frame.flags & frames.CLEAN)
            self.heard.append(f"close {code} {reason} {clean}")
            if clean and "silent" not in socket:
                link.send(Kind.CLOSE, ident, frames.write_close(code, reason))
        elif frame.kind == Kind.FAULT:
            self.heard.append(f"fault {frame.payload.decode()}")
        elif frame.kind == Kind.ANSWERED:
            self.heard.append("answered")
        elif frame.kind == Kind.GONE:
            self.heard.append("gone")
            self.sockets.pop(ident, None)

    def _message(self, ident: int, frame: Frame) -> None:
        link, payload = self.link, frame.payload
        reply = self.sockets.get(ident, {}).get("reply")
        if reply is not None:
            reply.respond(200, b"OK", [], payload)
            link.send(Kind.CLOSE, ident, frames.write_close(1000, "done"))
        elif payload.startswith(b"close "):
            _, code, reason = payload.decode().split(" ", 2)
            link.send(Kind.CLOSE, ident, frames.write_close(int(code), reason))
        elif payload == b"cut":
            link.send(Kind.CLOSE, ident, frames.write_close(None, ""), frames.CUT)
        elif payload == b"attach":
            link.send(Kind.ATTACHMENT, ident, b"\x00\xffattachment")
        elif payload == b"silent":
            self.sockets[ident]["silent"] = True
        elif payload == b"no credit":
            self.sockets[ident]["hold credit"] = True
        elif payload == b"version":
            link.send(Kind.TEXT, ident, self.version.encode())
        elif payload == b"handed":
            row = self.sockets[ident]
            text = json.dumps({**row, "attachment": base64.b64decode(row.get("attachment") or "").hex()})
            link.send(Kind.TEXT, ident, text.encode())
        elif payload.startswith(b"burst "):
            for number in range(int(payload[6:])):
                link.send(Kind.TEXT, ident, b"%d" % number)
        else:
            link.send(frame.kind, ident, payload)

    # -- calls and notes

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        match call["op"]:
            case "alarm":
                self.alarms.append({name: call[name] for name in ("class", "id", "name", "scheduled_ms", "retry")})
                if self.clock is not None:
                    self.heard.append(f"alarm {call['scheduled_ms']}")
                if self.alarm_outcome == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                incoming.result({"outcome": self.alarm_outcome, "rearmed": False})
            case "clock":
                self.link.spawn(self._tick(incoming, call["to_ms"]))
            case "objects":
                incoming.result([{**OBJECT, "state": "active", "generation": 1, "sockets": len(self.sockets)}])
            case "scheduled":
                self.heard.append(f"scheduled {call['cron']}" + (f" {call['scheduled_ms']}" if self.clock else ""))
                incoming.result(None)
            case "rpc":
                incoming.result({"result": [call["method"], call["args"]]})
            case "clock":
                incoming.result({"next_ms": None})
            case "evict" | "abort" | "awake":
                self.heard.append(call["op"])
                known = call["id"] == OBJECT["id"]
                incoming.result({"evict": {"evicted": known}, "abort": {"aborted": known}, "awake": [AWAKE] if known else []}[call["op"]])
            case other:
                incoming.fail({"name": "Error", "message": f"no {other}", "props": {}})

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        """Where user code may reach to is nothing to this host's code, which reaches for nothing."""
        if note["op"] == "points":
            self.points, self.trap, self.passed = note["on"], note["trap"], 0


async def main(path: str) -> None:
    host = Host()
    await asyncio.get_running_loop().create_unix_connection(lambda: host.link, path)
    hello = {"protocols": [host.protocol], "kind": "python", "pid": os.getpid(), "runtime": "scripted"}
    host.link.send_json(Kind.HELLO, hello)
    await host.done.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[sys.argv.index("--link") + 1]), loop_factory=IdleLoop)

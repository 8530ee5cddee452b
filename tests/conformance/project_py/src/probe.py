"""The objects under test. Each does what programs say and notes its own life; the cases do the rest."""

import json

import js
from program import HANDLERS, LIVES, data, new_scope, note, run, run_now
from workers import DurableObject


class Runner(DurableObject):
    """What all probes share. `place` is where it notes: its class and id."""

    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        raw = ctx._ctx if hasattr(ctx, "_ctx") else ctx
        self.raw = raw
        self.place = f"{type(self).__name__}:{raw.id.toString()}"
        self.life = LIVES[self.place] = LIVES.get(self.place, 0) + 1
        self.memory = {}
        self.own = "an instance field"
        self.handle_now("constructor")

    def scope(self, **more):
        env = getattr(self.env, "_env", self.env)
        return new_scope(
            ctx=self.raw, env=env, storage=self.raw.storage, place=self.place, life=self.life, memory=self.memory, this=self, **more
        )

    def handle_now(self, event):
        if (self.place, event) in HANDLERS:
            run_now(HANDLERS[self.place, event], self.scope())

    async def handle(self, event, **more):
        if (self.place, event) in HANDLERS:
            return await run(HANDLERS[self.place, event], self.scope(**more))
        return None

    @property
    def greeting(self):
        return "from a getter"

    async def run(self, text):
        """Evaluate a program; its value as JSON text."""
        return json.dumps(data(await run(json.loads(text), self.scope())))

    async def give(self, text):
        """Evaluate a program; its value as it is."""
        return await run(json.loads(text), self.scope())

    async def use(self, text, value):
        """Evaluate a program that knows `value`; JSON text."""
        return json.dumps(data(await run(json.loads(text), self.scope(value=value))))

    async def fetch(self, request):
        """A program in the query, or the handler's."""
        raw = request.js_object
        program = js.URL.new(raw.url).searchParams.get("p")
        scope = self.scope(request=raw)
        value = await run(json.loads(program), scope) if program else await self.handle("fetch", request=raw)
        return as_response(value)


class Plain(Runner):
    """No alarm, no WebSocket handlers."""


class Legacy(Runner):
    """Not SQLite-backed."""


class Probe(Runner):
    """Everything."""

    async def alarm(self, info):
        note(self.place, f"alarm {info.retryCount} {json.dumps(info.isRetry)}")
        if (self.place, "alarm") in HANDLERS:
            await self.handle("alarm", info=info)
        else:
            kv = self.raw.storage.kv
            kv.put("alarms", (kv.get("alarms") or 0) + 1)
            kv.put("alarm name", self.raw.id.name)

    async def webSocketMessage(self, ws, message):
        if isinstance(message, str) and message.startswith("["):
            await run(json.loads(message), self.scope(ws=ws, message=message))
            return
        kind = "text " + message if isinstance(message, str) else "binary " + bytes(message).hex()
        note(self.place, kind if len(kind) < 100 else f"{kind[:6]} of {len(message)}")
        await self.handle("message", ws=ws, message=message)

    async def webSocketClose(self, ws, code, reason, was_clean):
        note(self.place, f"close {code} {reason} {json.dumps(was_clean)}")
        await self.handle("close", ws=ws, code=code, reason=reason)

    async def webSocketError(self, ws, error):
        note(self.place, f"error {error.message}")
        await self.handle("error", ws=ws)


class Facet(Probe):
    """A child of a Probe; no binding names it."""


def as_response(value):
    """A Response as it is, anything else as JSON."""
    if getattr(getattr(value, "constructor", None), "name", None) == "Response":
        return value
    return js.Response.new(json.dumps(data(value)))


__all__ = ["Facet", "Legacy", "Plain", "Probe", "as_response"]

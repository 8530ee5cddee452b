"""The Worker of the probes: runs programs, and leads requests to objects."""

import json

import js
from probe import Facet, Legacy, Plain, Probe, as_response
from program import data, error_data, new_scope, note, run
from workers import WorkerEntrypoint

__all__ = ["Default", "Facet", "Legacy", "Plain", "Probe"]


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        """`POST /run?me=NAME` a program, `/at/CLASS/NAME?p=` to an object's fetch, `/here?p=` a program that makes the response."""
        raw = request.js_object
        url = js.URL.new(raw.url)
        env = self.env._env
        kind, *rest = url.pathname[1:].split("/")
        if kind == "at":
            class_name, name = rest
            return await getattr(env, class_name).getByName(js.decodeURIComponent(name)).fetch(raw)
        me = url.searchParams.get("me") or ""
        scope = new_scope(env=env, ctx=self.ctx, request=raw, place="worker:" + me, me=me, memory={})
        scope["o"] = env.Probe.getByName(me)
        if kind == "here":
            return as_response(await run(json.loads(url.searchParams.get("p")), scope))
        try:
            answer = {"value": data(await run(json.loads(await request.text()), scope))}
        except Exception as error:
            answer = {"error": error_data(error)}
        return js.Response.new(json.dumps(answer))

    async def scheduled(self, controller):
        note("scheduled", controller.cron)
        if controller.cron == "1 1 1 1 1":
            raise js.Error.new("the first of January")

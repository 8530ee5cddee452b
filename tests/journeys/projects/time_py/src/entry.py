"""Agents whose time a test moves: a digest every morning, and a chat that nothing lets sleep."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import js
from agents import Agent, route_agent_request
from workers import Response, WorkerEntrypoint


class Digest(Agent):
    initial_state = {"sent": 0}  # noqa: RUF012 - as the SDK wants it

    async def on_start(self):
        await self.schedule("0 9 * * *", self.send, "digest")

    async def send(self, text, schedule):
        self.set_state({"sent": self.state["sent"] + 1})

    async def on_request(self, request):
        [schedule] = await self.list_schedules()
        return Response.from_json({"sent": self.state["sent"], "next": schedule.time.strftime("%Y-%m-%dT%H:%M:%S.000Z")})


class Chat(Agent):
    beats = 0

    async def on_request(self, request):
        far = parse_qs(urlsplit(request.url).query).get("far")
        if far:
            js.setInterval(self.beat, 30000)  # LINE interval
            self.voice = js.WebSocket.new(far[0])  # LINE outgoing
            opened = asyncio.Event()
            self.voice.addEventListener("open", lambda event: opened.set())
            await opened.wait()
        return Response.from_json({"beats": self.beats})

    def beat(self):
        self.beats += 1


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await route_agent_request(request, self.env) or Response("Not found", status=404)

"""What the benchmark asks for. Echo and Answer are raw objects, so that their cost is the platform's; Reminder is an Agent of the SDK."""

from urllib.parse import urlsplit

from agents import Agent, route_agent_request
from js import WebSocketPair
from marker import MARKER
from workers import DurableObject, Response, WorkerEntrypoint


class Echo(DurableObject):
    """Answers GET with its name and the marker, a WebSocket message with the same message, and `marker?` with the marker."""

    async def fetch(self, request):
        if request.headers.get("upgrade") == "websocket":
            client, server = WebSocketPair.new().object_values()
            self.ctx.acceptWebSocket(server)
            return Response(None, status=101, web_socket=client)
        return Response.from_json({"name": self.ctx.id.name, "marker": MARKER})

    async def webSocketMessage(self, socket, message):
        socket.send(MARKER if message == "marker?" else message)

    async def webSocketClose(self, socket, code, reason, was_clean):
        socket.close(1000, "")


class Answer(DurableObject):
    """Passes one model answer through as it streams."""

    async def fetch(self, request):
        stream = await self.env.AI.run("@cf/bench/model", {"prompt": "count", "stream": True})
        return Response(stream, headers={"content-type": "text/event-stream"})


class Reminder(Agent):
    """Takes a number of seconds, says when it will ring, and rings then."""

    async def on_message(self, connection, message):
        schedule = await self.schedule(float(message), self.ring)
        connection.send(f"due {schedule.time.timestamp()}")

    async def ring(self, payload, schedule):
        self.broadcast("rings")


class Crontab(Agent):
    """Daily schedules at different minutes, and how often they have rung."""

    async def plan(self, count):
        self.ctx.storage.sql.exec("CREATE TABLE rings (n INTEGER NOT NULL)")
        self.ctx.storage.sql.exec("INSERT INTO rings VALUES (0)")
        for number in range(count):
            await self.schedule(f"{number} {number % 24} * * *", self.ring)

    async def ring(self, payload, schedule):
        self.ctx.storage.sql.exec("UPDATE rings SET n = n + 1")

    def rings(self):
        return self.ctx.storage.sql.exec("SELECT n FROM rings").one()["n"]


fired: list[str] = []


class Default(WorkerEntrypoint):
    async def scheduled(self, controller, env, ctx):
        fired.append(controller.cron)

    async def fetch(self, request):
        match urlsplit(request.url).path.split("/"):
            case ["", "fired"]:
                return Response(str(len(fired)))
            case ["", "echo", name]:
                return await self.env.Echo.getByName(name).fetch(request)
            case ["", "answer", name]:
                return await self.env.Answer.getByName(name).fetch(request)
        return await route_agent_request(request, self.env) or Response("not found", status=404)

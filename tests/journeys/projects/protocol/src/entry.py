"""The agents of reference scenarios; every class below is one that a journey talks to."""

from urllib.parse import urlsplit

from agents import AgentRoute, get_agent_by_name, route_agent_request
from asked import asked
from chat import Chat, DropChat, LatestChat, PatientChat
from clockwork import Clockwork
from counter import Counter, Plain, Quiet, QuietCounter
from family import Child, Parent
from workers import Request, Response, WorkerEntrypoint

__all__ = [
    "Chat",
    "Child",
    "Clockwork",
    "Counter",
    "Default",
    "DropChat",
    "LatestChat",
    "Parent",
    "PatientChat",
    "Plain",
    "Quiet",
    "QuietCounter",
]


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        if urlsplit(request.url).path == "/session":
            session = await get_agent_by_name(self.env.Counter, "sess 1/ü")
            return await session.fetch(request)
        answer = await route_agent_request(
            request,
            self.env,
            cors="cors" in asked(request.url),
            on_before_connect=self.admit,
        )
        return answer or Response("nobody here", status=404)

    async def admit(self, request: Request, route: AgentRoute) -> Response | None:
        return Response("not you", status=401) if "refused" in asked(request.url) else None

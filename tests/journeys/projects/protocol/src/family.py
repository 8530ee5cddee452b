"""An agent with sub-agents."""

from agents import Agent, AgentRoute, callable
from counter import Count
from workers import Request, Response


class Parent(Agent):
    async def on_before_sub_agent(self, request: Request, child: AgentRoute) -> Response | None:
        match child.name:
            case "forbidden":
                return Response("no", status=403)
            case "broken":
                return Response("no", status=500)
        return None

    async def on_request(self, request: Request) -> Response:
        return Response("the parent")

    @callable
    async def fence(self) -> None:
        """Nothing: its answer shows that everything before it has been sent."""

    @callable
    async def children(self) -> list[str]:
        return [child.name for child in self.dynamic_agents.list()]

    @callable
    async def forget(self, name: str) -> str:
        await self.dynamic_agents.delete(Child, name)
        return f"forgot {name}"

    @callable
    async def shout(self, text: str) -> None:
        self.broadcast(text)

    @callable
    async def ask(self, name: str, a: int, b: int) -> int:
        child = await self.dynamic_agents.get(Child, name)
        return await child.add(a, b)


class Child(Agent):
    initial_state = Count(n=0)

    @callable
    async def fence(self) -> None:
        """Nothing: its answer shows that everything before it has been sent."""

    @callable
    async def add(self, a: int, b: int) -> int:
        return a + b

    @callable
    async def bump(self) -> int:
        n = self.state["n"] + 1
        self.set_state(Count(n=n))
        return n

    async def on_request(self, request: Request) -> Response:
        return Response.from_json({"child": self.name, "url": request.url, "n": self.state["n"]})

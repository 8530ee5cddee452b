"""Two agents that charge a card. A charge that a crash has cut is taken up again: the one charges once more, the other does not."""

from abc import abstractmethod
from typing import TypedDict

import payments
from agents import Agent, FiberContext, FiberRecoveryContext, callable, route_agent_request
from workers import Request, Response, WorkerEntrypoint


class Orders(TypedDict):
    paid: dict[str, str]


class Checkout(Agent[Orders]):
    """`pay("7")` pays order 7; asking again shows its receipt. Every tab sees what is paid."""

    initial_state = Orders(paid={})

    @abstractmethod
    async def charge(self, order: str) -> str:
        """Charge the card: the receipt. It is called again for an order whose charge was cut, whatever the cut one had come to."""

    @callable
    async def pay(self, order: str) -> str:
        async def body(fiber: FiberContext) -> str:
            fiber.stash({"order": order})
            return await self._paid(order)

        return self._receipt_of(order) or await self.run_fiber("pay", body)

    async def on_fiber_recovered(self, ctx: FiberRecoveryContext) -> None:
        if ctx.snapshot:
            await self._paid(ctx.snapshot["order"])

    async def _paid(self, order: str) -> str:
        receipt = await self.charge(order)
        self.set_state(Orders(paid={**self._paid_orders, order: receipt}))
        return receipt

    @property
    def _paid_orders(self) -> dict[str, str]:
        return self.state["paid"] if self.state else {}

    def _receipt_of(self, order: str) -> str | None:
        return self._paid_orders.get(order)


class Careless(Checkout):
    """Each attempt is a charge of its own: between the charge and its receipt, a crash costs the customer the price again."""

    async def charge(self, order: str) -> str:
        return await payments.create_charge(self.env.PAYMENTS, order)


class Careful(Checkout):
    """The charge has the order's name, whoever asks for it and how often: there is only one."""

    async def charge(self, order: str) -> str:
        return await payments.put_charge(self.env.PAYMENTS, order)


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)

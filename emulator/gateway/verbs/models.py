"""Where the model layer's verbs (gateway/ai/verbs.py) are in the control API."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.gateway.ai.verbs import AiVerbs
from emulator.gateway.verbs.route import Route


class ModelVerbs:
    """Everything below `ai/`."""

    def __init__(self, ai: AiVerbs) -> None:
        self._ai = ai

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        ai = self._ai
        return [
            Route("GET", "ai/session", lambda call: ai.session()),
            Route("POST", "ai/session", lambda call: ai.set_session(call.body)),
            Route("GET", "ai/session/holds/{token}", lambda call: ai.keep_session(call.parts["token"])),
            Route("GET", "ai/calls", lambda call: ai.calls()),
            Route("GET", "ai/calls/{id}", lambda call: ai.explain(call.parts["id"])),
            Route("GET", "ai/cost", lambda call: ai.cost()),
            Route("GET", "ai/check", lambda call: ai.check()),
            Route("POST", "ai/refresh", lambda call: ai.refresh(call.body)),
            Route("POST", "ai/preview", lambda call: ai.preview(call.body)),
            Route("GET", "ai/routes", lambda call: ai.routes()),
            Route("GET", "ai/faults", lambda call: ai.faults()),
            Route("POST", "ai/faults", lambda call: ai.add_fault(call.body)),
            Route("DELETE", "ai/faults", lambda call: ai.clear_faults()),
            Route("DELETE", "ai/faults/{fault}", lambda call: ai.clear_faults(call.parts["fault"])),
            Route("GET", "ai/gateways", lambda call: ai.gateways()),
            Route("GET", "ai/gateways/{id}/logs", lambda call: ai.gateway_logs(call.parts["id"], call.query.get("limit", "50"))),
            Route("GET", "ai/gateways/{id}/logs/{log}", lambda call: ai.gateway_log(call.parts["id"], call.parts["log"])),
            Route("POST", "ai/gateways/{id}/reset", lambda call: ai.reset_gateway(call.parts["id"])),
        ]

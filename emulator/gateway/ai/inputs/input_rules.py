"""What a call whose inputs the model's schema refuses comes to: `[ai] validate` says warn, strict or off (ai-binding.md 5)."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable

from emulator.config.ai import Validate
from emulator.gateway.ai import envelopes
from emulator.gateway.ai.calls import Call
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.inputs.validation import Violation, violation
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.late import late_import

_PAGES = "https://developers.cloudflare.com/workers-ai/models/"


class InputRules:
    """`entropy` gives random bytes: the platform's messages end with an id."""

    def __init__(self, policy: Validate, entropy: Callable[[int], bytes]) -> None:
        self._policy = policy
        self._entropy = entropy

    async def check(self, call: Call, asked: ModelRequest) -> Reply | None:
        """The refusal in mode strict, where it takes the model's place; in mode warn a violation is added to the call's warnings."""
        if self._policy is Validate.OFF:
            return None
        if "jsonschema" not in sys.modules:
            # Importing it takes as long as starting everything else.
            await late_import("jsonschema")
        found = violation(asked)
        if found is None:
            return None
        if self._policy is Validate.STRICT:
            call.problem, call.code = f"its inputs are refused: {found}", "E640"
            return Reply(envelopes.run_error(400, 5006, self._message(asked, found)), Source.NONE)
        warning = f"{found} (Workers AI may answer 5006)"
        if warning not in call.warnings:
            call.warnings.append(warning)
        return None

    def _message(self, asked: ModelRequest, found: Violation) -> str:
        """The platform's sentence, then our own, then where the model is described."""
        ident = uuid.UUID(bytes=self._entropy(16), version=4)
        page = _PAGES + asked.target.rpartition("/")[2]
        return f"AiError: AiError: Bad input: Error: {found.service} ({ident})\n{found}\n{page}/"

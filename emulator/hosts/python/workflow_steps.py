"""The Python stand-in for the SDK's `workflows.js`: its `wrapWorkflowStep` (python-workers-surface.md 2.5)."""

from __future__ import annotations

from typing import Any

from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.values import JsFunction, JsObject


def workflow_module() -> JsObject:
    """The module object; `wrapWorkflowStep(step)` makes a Python NonRetryableError reach the engine as an error of that name."""
    return JsObject({"wrapWorkflowStep": JsFunction(_wrap, "wrapWorkflowStep")})


def _wrap(step: Any) -> Any:
    do = step.do

    def wrapped_do(*args: Any) -> Any:
        *head, callback = args

        async def guarded(*inner: Any) -> Any:
            try:
                return await callback(*inner)
            except Exception as error:
                if type(error).__name__ == "NonRetryableError":
                    raise js_error("NonRetryableError", str(error)) from error
                raise

        return do(*head, guarded)

    return JsObject({**step._js_own(), "do": JsFunction(wrapped_do, "do")})

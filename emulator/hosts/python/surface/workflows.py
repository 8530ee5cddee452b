"""The SDK's `workflows.js`: a step whose `do` turns a Python NonRetryableError into an error of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .convert import is_awaitable, is_function, unwrap
from .errors import js_error
from .promise import JsPromise
from .values import JsFunction, JsObject, JsProxy

MODULE_NAME: Final = "python_modules/workers/workflows.js"
NON_RETRYABLE: Final = "NonRetryableError"


class WrappedStep(JsProxy):
    """A workflow step; everything but `do` is the original's."""

    __slots__ = ("_step",)
    _js_name = "WorkflowStep"

    def __init__(self, step: Any) -> None:
        self._step = step

    def do(self, name: Any, *rest: Any) -> Any:
        return self._step.do(name, *(wrap_callback(item) if is_function(item) else item for item in rest))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)


def wrap_callback(callback: Callable[..., Any]) -> JsFunction:
    """The callback, its NonRetryableError renamed for the engine."""

    async def run(*args: Any) -> Any:
        try:
            result = callback(*args)
            return await unwrap(result) if is_awaitable(result) else result
        except Exception as error:
            if type(error).__name__ == NON_RETRYABLE:
                raise js_error(NON_RETRYABLE, str(error)) from error
            raise

    return JsFunction(lambda *args: JsPromise.from_awaitable(run(*args)), "step")


def workflows_module() -> JsObject:
    return JsObject({"wrapWorkflowStep": JsFunction(WrappedStep, "wrapWorkflowStep")})

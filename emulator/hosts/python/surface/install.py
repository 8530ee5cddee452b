"""Puts the runtime modules into `sys.modules`, where they win over an installed pyodide-py.

Never provides `_cloudflare`: its absence keeps the SDK's patch loader quiet (python-workers-surface.md 1).
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from . import buffers, containers, convert, pyfetch, suspend, values
from .containers import JsMap
from .errors import JsException
from .globals import JsModule
from .port import Runtime
from .promise import JsPromise, report_rejections
from .response import JsResponse
from .values import JsFunction, JsObject, js_string
from .workflows import MODULE_NAME, workflows_module


def install(runtime: Runtime) -> None:
    """Registers `js`, `pyodide` and its submodules, `_pyodide_entrypoint_helper` and `_cloudflare_compat_flags`.

    Called before any user import. A second call replaces the modules. The host also calls `watch(loop, runtime)`
    once its loop exists.
    """
    js = JsModule(runtime)
    modules = [js, *pyodide_modules(runtime, js), entrypoint_helper(runtime), CompatFlags(runtime)]
    sys.modules.update({module.__name__: module for module in modules})


def watch(loop: asyncio.AbstractEventLoop, runtime: Runtime) -> None:
    """Unhandled rejections of `loop` go to `runtime.unhandled`."""
    report_rejections(loop, runtime.unhandled)


def module(name: str, doc: str, members: dict[str, Any]) -> types.ModuleType:
    made = types.ModuleType(name, doc)
    made.__dict__.update(members)
    return made


def pyodide_modules(runtime: Runtime, js: JsModule) -> list[types.ModuleType]:
    """`pyodide` with `ffi`, `http`, `code` and `webloop`."""
    ffi = module("pyodide.ffi", "The boundary between Python and JavaScript.", FFI)
    fetch = pyfetch.make_pyfetch(js.fetch)
    http_names = (pyfetch.AbortError, pyfetch.BodyUsedError, pyfetch.FetchResponse, pyfetch.HttpStatusError)
    http = module("pyodide.http", "Fetching.", {cls.__name__: cls for cls in http_names} | {"pyfetch": fetch})
    code = module("pyodide.code", "Running code.", {"relaxed_call": relaxed_call})
    webloop = module("pyodide.webloop", "The event loop.", {"WebLoop": asyncio.BaseEventLoop})
    package = module("pyodide", "Pyodide, emulated.", {"__version__": runtime.pyodide_version, "__path__": []})
    for child in (ffi, http, code, webloop):
        setattr(package, child.__name__.rpartition(".")[2], child)
    return [package, ffi, http, code, webloop]


FFI: dict[str, Any] = {
    "ConversionError": containers.ConversionError,
    "JsArray": containers.JsArray,
    "JsBigInt": values.JsBigInt,
    "JsBuffer": buffers.JsBuffer,
    "JsCallable": values.JsFunction,
    "JsDoubleProxy": convert.JsDoubleProxy,
    "JsException": JsException,
    "JsFetchResponse": JsResponse,
    "JsMap": containers.JsMap,
    "JsMutableMap": containers.JsMap,
    "JsNull": values.JsNull,
    "JsPromise": JsPromise,
    "JsProxy": values.JsProxy,
    "JsTypedArray": buffers.TypedArray,
    "can_run_sync": suspend.can_run_sync,
    "create_once_callable": convert.create_once_callable,
    "create_proxy": convert.create_proxy,
    "destroy_proxies": convert.destroy_proxies,
    "jsnull": values.jsnull,
    "run_sync": suspend.run_sync,
    "to_js": convert.to_js,
}


def entrypoint_helper(runtime: Runtime) -> types.ModuleType:
    """What production's entrypoint hands to the SDK."""

    def wait_until(work: Any = None) -> None:
        runtime.wait_until(JsPromise.resolve(work))

    def do_an_import(name: str) -> JsPromise:
        return JsPromise.resolved(workflows_module()) if name == MODULE_NAME else runtime.import_module(name)

    def patch_env_helper(changes: JsMap) -> Iterator[None]:
        """Sets members of env, yields, and puts back what was there."""
        own = values.properties(runtime.env)
        before = dict(own)
        own.update({js_string(key): value for key, value in changes.items()})
        try:
            yield
        finally:
            own.clear()
            own.update(before)

    workers = JsObject({"env": runtime.env, "waitUntil": JsFunction(wait_until, "waitUntil")})
    members = {
        "cloudflareWorkersModule": workers,
        "cloudflareSocketsModule": JsObject(),
        "doAnImport": do_an_import,
        "patch_env_helper": patch_env_helper,
        "patchWaitUntil": runtime.patch_wait_until,
    }
    return module("_pyodide_entrypoint_helper", "The SDK's way into the runtime.", members)


class CompatFlags(types.ModuleType):
    """Compatibility flags as attributes; unknown ones are False."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("_cloudflare_compat_flags", "Compatibility flags.")
        self.__dict__["_flags"] = runtime.flags

    def __getattr__(self, name: str) -> bool:
        if name.startswith("__"):
            raise AttributeError(name)
        return bool(self.__dict__["_flags"].get(name, False))


def relaxed_call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls `function` without the arguments its signature has no place for (`pyodide.code.relaxed_call`)."""
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        args = args[: sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        kwargs = {key: value for key, value in kwargs.items() if key in signature.parameters}
    return function(*args, **kwargs)

"""Runs one published test suite of workers-runtime-sdk where it belongs: inside the runtime, next to the suite's own worker.py.

`GET /run` answers `{test: null | traceback}`. The suites expect services around them; these stand in for them:
`SELF`, `PythonRpc` and `JsRpc` are Durable Objects reached by their stubs, which have the same calls as a service binding (the
JavaScript peer of python-rpc is imitated in Python); `ASGI_HTTP` and `WSGI_HTTP` come in again through this server's own port; and
example.com, the internet of the suite `sdk`, is that suite's server.py behind `/internet`.
"""

import asyncio
import importlib
import inspect
import itertools
import pkgutil
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import js
import worker
import workers
from workers import DurableObject, Request, Response, WorkerEntrypoint
from workers.rpc import _EnvWrapper

HERE = Path(__file__).parent
INTERNET = ("https://example.com", "http://example.com")
TEST_BOUND_S = 20

# The suite's own objects are exports of this Worker.
globals().update({name: value for name, value in vars(worker).items() if isinstance(value, type) and issubclass(value, DurableObject)})


class SuiteSelf(DurableObject):
    """The suite's worker as a service."""

    async def fetch(self, request):
        return await worker.Default(self.ctx, surroundings(self.env)).fetch(request)


class SuitePythonRpc(DurableObject):
    """The suite's RPC entrypoint."""

    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.env = surroundings(env)


if tester := getattr(worker, "PythonRpcTester", None):
    for name, member in vars(tester).items():
        if not name.startswith("_"):
            setattr(SuitePythonRpc, name, member)


class SuiteJsRpc(DurableObject):
    """What worker.js of the suite python-rpc answers."""

    async def noArgs(self):
        return "hello from js"

    async def oneArg(self, a):
        return str(a)

    async def identity(self, x):
        return x

    async def handleResponse(self, response):
        return response

    async def handleRequest(self, request):
        return request

    async def newCounter(self):
        amounts = []

        def counter(amount=0):
            amounts.append(amount)
            return sum(amounts)

        return counter

    async def useCounter(self, counter):
        return await counter(10)


class OverHttp:
    """A service that is reached through a socket: this server's own port."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    async def fetch(self, url: str, **options):
        return await workers.fetch(self._origin + urlsplit(url).path, **options)


def surroundings(env, origin: str | None = None) -> _EnvWrapper:
    """`env` with the services of the suites in it."""
    full = _EnvWrapper(env._env)
    full.SELF = env.SUITE_SELF.getByName("self")
    full.PythonRpc = env.SUITE_PYTHON_RPC.getByName("python")
    full.JsRpc = env.SUITE_JS_RPC.getByName("js")
    if origin:
        full.ASGI_HTTP = full.WSGI_HTTP = OverHttp(origin)
    return full


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        address = urlsplit(request.url)
        origin = f"{address.scheme}://{address.netloc}"
        if address.path == "/run":
            workers.env = self.env = surroundings(self.env, origin)
            connect_internet(origin)
            return Response.from_json({name: outcome async for name, outcome in outcomes(self)})
        if address.path.startswith("/internet/"):
            server = importlib.import_module("server")
            outside = js.Request.new(INTERNET[0] + address.path.removeprefix("/internet"), request.js_object)
            return await server.Default(self.ctx, self.env).fetch(Request(outside))
        return await worker.Default(self.ctx, surroundings(self.env)).fetch(request)


def connect_internet(origin: str) -> None:
    """Requests to example.com come back to this server."""
    fetching = sys.modules["workers.fetch"]
    real = sys.modules["pyodide.http"].pyfetch

    async def pyfetch(resource, **options):
        if isinstance(resource, str) and resource.startswith(INTERNET) and "fetcher" not in options:
            resource = f"{origin}/internet{urlsplit(resource).path}"
        return await real(resource, **options)

    fetching._pyfetch_patched = pyfetch


async def outcomes(entrypoint: Default) -> AsyncIterator[tuple[str, str | None]]:
    for name, test in tests(entrypoint):
        try:
            async with asyncio.timeout(TEST_BOUND_S):
                await test()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError | GeneratorExit):
                raise
            yield name, "".join(traceback.format_exception(error))
        else:
            yield name, None


def tests(entrypoint: Default) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """The `test()` of the suite's worker, unless that only starts pytest; else every test function beside it."""
    modules = [name for _, name, _ in pkgutil.iter_modules([str(HERE)]) if name.startswith("test_")]
    if not modules:
        suite = worker.Default(entrypoint.ctx, entrypoint.env)
        method = getattr(suite, "test", None)
        if method is None:
            yield "websocket", lambda: greet(entrypoint.env)
        else:
            yield "test", lambda: method(None) if inspect.signature(method).parameters else method()
    for module in map(importlib.import_module, modules):
        for name, function in vars(module).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(function):
                for label, arguments in cases(function):
                    if "env" in inspect.signature(function).parameters:
                        arguments["env"] = workers.env
                    yield name + label, lambda function=function, arguments=arguments: function(**arguments)
            elif name.startswith("test_") and inspect.isfunction(function):

                async def run(function=function):
                    function()

                yield name, run


def cases(function) -> Iterator[tuple[str, dict]]:
    """Every combination of the function's `parametrize` marks."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        arguments = {mark.args[0]: value for mark, value in zip(marks, values, strict=True)}
        yield f"[{'-'.join(map(str, values))}]" if values else "", arguments


async def greet(env) -> None:
    """What tester.js of the suite durable-object-websocket does."""
    init = js.Object.fromEntries(js.JSON.parse('[["headers", {"Upgrade": "websocket"}]]'))
    response = await env.SELF._binding.fetch("http://example.com/websocket", init)
    socket = response.webSocket
    answered = asyncio.get_running_loop().create_future()
    socket.accept()
    socket.addEventListener("message", lambda event: answered.set_result(event.data))
    socket.send("test")
    assert await answered == "hello"
    socket.close()

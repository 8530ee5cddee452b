"""Runs in a fresh interpreter: installs the surface, then drives the real `workers` and `agents` packages on it.

Every `check_*` function is one case; the name to run is the argument. Its assertions are the test.
"""

from __future__ import annotations

import asyncio
import datetime
import sys
from http import HTTPMethod

from surface_runtime import LoopRuntime

from emulator.hosts.python.surface.install import install, watch

runtime = LoopRuntime()
install(runtime)

import agents._ffi as ffi  # noqa: E402
import js  # noqa: E402
import pyodide  # noqa: E402
import workers  # noqa: E402
import workers.asgi  # noqa: E402
import workers.wsgi  # noqa: E402
from pyodide.ffi import JsException, JsProxy, create_proxy, jsnull, run_sync, to_js  # noqa: E402
from workers import Blob, File, FormData, Request, Response, fetch, patch_env, python_from_rpc, python_to_rpc  # noqa: E402


async def check_modules() -> None:
    assert runtime.asked == []
    assert pyodide.__version__ == "0.28.2"
    assert "_cloudflare" not in sys.modules
    try:
        from js import Nonsense  # noqa: F401
    except ImportError:
        assert runtime.asked == ["Nonsense"]
    else:
        raise AssertionError("js.Nonsense should not import")
    try:
        _ = js.Other
    except AttributeError as error:
        assert str(error) == "js.Other is not emulated"


async def check_request() -> None:
    request = Request("https://Test.com", method=HTTPMethod.POST, body="hé", headers={"A": "b"})
    assert repr(request) == "Request(method='POST', url='https://test.com/')"
    assert request.method is HTTPMethod.POST
    assert request.headers["a"] == "b"
    assert request.headers["content-type"] == "text/plain;charset=UTF-8"
    assert request.cf is None
    copy = request.clone()
    assert await request.text() == await copy.text() == "hé"
    try:
        await request.text()
    except OSError as error:
        assert str(error) == "Body already used"
    assert await Request("https://x.test", method="PUT", body=b"\x00\x01").bytes() == b"\x00\x01"


async def check_response() -> None:
    response = Response.from_json({"a": [1, None]}, status=201, headers={"x": "1"})
    assert (response.status, response.headers["content-type"], await response.json()) == (201, "application/json", {"a": [1, None]})
    assert await Response("text").text() == "text"
    assert await Response(b"\x00").bytes() == b"\x00"
    assert Response(None, status=204).body is None
    assert await Response(Blob("b").js_object).text() == "b"
    assert Response.redirect("https://h.com", 307).headers.get("location") == "https://h.com/"
    for body, error in (({"a": 1}, TypeError), (5, TypeError)):
        try:
            Response(body)
        except error:
            continue
        raise AssertionError(body)
    try:
        Response.from_json({}, status=999)
    except ValueError:
        pass
    else:
        raise AssertionError("status 999")
    assert await Response("old", headers={"k": "v"}).replace_body("new").text() == "new"


async def check_fetch() -> None:
    response = await fetch("https://x.test/a b?c=d", method="PUT", body=b"123", headers={"x": "1"})
    assert type(response) is Response
    assert response.headers["x-url"] == "https://x.test/a%20b?c=d"
    assert await response.bytes() == b"123"
    assert (await fetch(Request("https://x.test", method="POST", body="q"))).headers["x-method"] == "POST"
    controller = js.AbortController.new()
    controller.abort()
    try:
        await fetch("https://x.test", signal=controller.signal)
    except OSError as error:
        assert "abort" in str(error)
    else:
        raise AssertionError("aborted fetch")
    try:
        await fetch("not a url")
    except OSError:
        return
    raise AssertionError("bad url")


async def check_forms_and_blobs() -> None:
    form = FormData({"a": "b", "f": File(b"zz", "n.txt", "text/plain", last_modified=5)})
    form.append("a", "c")
    sent = await fetch("https://x.test", method="POST", body=form.js_object)
    back = await sent.form_data()
    assert back.get_all("a") == ["b", "c"]
    assert (back["f"].name, back["f"].content_type, await back["f"].text()) == ("n.txt", "text/plain", "zz")
    assert "a" in back and "z" not in back
    del back["a"]
    assert list(back.keys()) == ["f"]
    blob = Blob(["a", b"bc", Blob("d"), memoryview(b"e")], content_type="text/x")
    assert (blob.size, blob.content_type, await blob.text()) == (5, "text/x", "abcde")
    assert await blob.slice(1, 3).bytes() == b"bc"
    posted = Request("https://x.test", method="POST", body=form)
    assert (await posted.form_data())["f"].name == "n.txt"


async def check_rpc_conversion() -> None:
    now = datetime.datetime(2020, 5, 6, 7, 8, 9)
    value = {"list": [1, 2.0, None, {"deep": b"x"}], "when": now, "set": {1}, "error": ValueError("q"), "call": len, 1: "one"}
    converted = python_to_rpc(value)
    assert converted.constructor.name == "Object"
    assert converted.list[2] is jsnull
    assert isinstance(converted.call, JsProxy)
    back = python_from_rpc(converted)
    assert back.list[2] is None
    assert back.list[3]["deep"].tobytes() == b"x"
    assert (back.when, back.set, str(back.error), back["1"]) == (now, {1}, "Error: q", "one")
    for bad in ((1, 2), bytearray(b"x"), [(1,)], js.RegExp.new("a")):
        try:
            python_to_rpc(bad)
        except TypeError:
            continue
        raise AssertionError(bad)
    response = python_from_rpc(js.Response.new("x"))
    assert type(response) is Response


async def check_env_and_wait_until() -> None:
    with patch_env(EXTRA="x", NAME="patched"):
        assert (workers.env.EXTRA, workers.env.NAME) == ("x", "patched")
    assert workers.env.NAME == "test"
    assert not hasattr(runtime.env, "EXTRA")
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    workers.wait_until(work())
    workers.wait_until(create_proxy(asyncio.ensure_future(work())))
    for promise in runtime.waiting:
        await promise
    assert done == [1, 1]


async def check_run_sync_without_suspender() -> None:
    try:
        run_sync(asyncio.sleep(0))
    except RuntimeError as error:
        assert str(error) == "No suspender"
    else:
        raise AssertionError("run_sync outside a suspendable coroutine")
    try:
        workers.import_from_javascript("some:module")
    except ImportError:
        return
    raise AssertionError("import without suspender")


async def check_agents_ffi() -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    value = {"a": [1, 2.5, None, True], "b": b"\x01", "when": now, "nested": {"x": {}}}
    assert ffi.js_to_py(ffi.py_to_js(value)) == value
    copy = ffi.request_with(Request("https://h/x", method="POST", body="body"), url="https://o/y", headers={"k": "v"})
    assert (copy.url, copy.headers["k"], await copy.text()) == ("https://o/y", "v", "body")
    made = ffi.make_request("https://h/", [["upgrade", "websocket"]])
    assert made.headers["upgrade"] == "websocket"
    assert await ffi.with_headers(Response("x"), {"k": "v"}).text() == "x"
    assert ffi.env_binding_names(workers.env) == ["NAME"]

    async def pieces():
        for piece in ("a", "é"):
            await asyncio.sleep(0)
            yield piece

    stream = ffi.streaming_response(pieces(), headers={"content-type": "text/event-stream"}).js_object.body_source()
    assert [chunk async for chunk in stream] == [b"a", "é".encode()]


async def check_agents_sockets() -> None:
    client, server = ffi.websocket_pair()
    ffi.write_attachment(server, {"id": "x", "tags": ["a"]})
    assert ffi.read_attachment(server) == {"id": "x", "tags": ["a"]}
    server.accept()
    ffi.send_message(server, "hi")
    ffi.send_message(server, b"\x01")
    server.close(1000, "bye")
    try:
        ffi.send_message(server, "late")
    except JsException as error:
        assert error.name == "TypeError"
    refused = ffi.websocket_rejection(4001, "no")
    assert refused.status == 101
    assert refused.js_object.webSocket.peer.close_sent is True
    heard: list = []
    client.onmessage = lambda event: heard.append(event.data)
    client.accept()
    await asyncio.sleep(0.01)
    assert heard[0] == "hi"


async def check_asgi() -> None:
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["path"].encode())]})
        if scope["path"] == "/stream":
            for part in (b"one", b"two"):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": body})

    plain = await workers.asgi.fetch(app, Request("https://h/pl%C3%A4in?q", method="POST", body="data"), {})
    assert await plain.text() == "data"
    streamed = await workers.asgi.fetch(app, Request("https://h/stream"), {})
    assert [chunk async for chunk in streamed.body_source()] == [b"one", b"two", b""]


async def check_asgi_websocket() -> None:
    async def app(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"] + "!"})
        await send({"type": "websocket.send", "bytes": (await receive())["bytes"]})
        assert (await receive())["type"] == "websocket.disconnect"

    response = await workers.asgi.websocket(app, Request("https://h/ws"))
    client = response.webSocket
    heard: list = []
    client.addEventListener("message", create_proxy(lambda event: heard.append(event.data)))
    client.accept()
    client.send("hey")
    client.send(to_js(b"\x01"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert heard[0] == "hey!"
    assert heard[1].to_bytes() == b"\x01"
    client.close(1000, "done")
    for promise in runtime.waiting:
        await promise


async def check_wsgi() -> None:
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"a", b"b"])

        def close(self):
            closed.append(1)

    def app(environ, start_response):
        start_response("201 Created", [("x-method", environ["REQUEST_METHOD"]), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
        return Body()

    response = await workers.wsgi.fetch(app, Request("https://h/x", headers={"k": "v"}), {})
    assert (response.status, response.statusText, response.headers.getSetCookie().to_py()) == (201, "Created", ["a=1", "b=2"])
    assert await response.text() == "ab"
    assert closed == [1]


async def check_workflow_step() -> None:
    import _pyodide_entrypoint_helper as helper
    from workers.workflows import NonRetryableError

    module = await helper.doAnImport("python_modules/workers/workflows.js")
    calls = []

    class Step(JsProxy):
        def do(self, name, *rest):
            calls.append(name)
            return rest[-1]()

    async def callback():
        raise NonRetryableError("stop")

    try:
        await module.wrapWorkflowStep(Step()).do("one", callback)
    except JsException as error:
        assert (error.name, error.message, calls) == ("NonRetryableError", "stop", ["one"])
        return
    raise AssertionError("not raised")


async def check_timers_and_console() -> None:
    order: list = []
    js.setTimeout(create_proxy(order.append), 1, "timer")
    stopped = js.setTimeout(lambda: order.append("never"), 0)
    js.clearTimeout(stopped)
    js.queueMicrotask(lambda: order.append("microtask"))
    ticks = js.setInterval(lambda: order.append("tick"), 1)
    while order.count("tick") < 2:
        await asyncio.sleep(0.001)
    js.clearInterval(ticks)
    assert order[0] == "microtask" and "timer" in order and "never" not in order
    js.console.warn("careful", 1)
    assert ("warn", ("careful", 1)) in runtime.logged
    signal = js.AbortSignal.timeout(1)
    while not signal.aborted:
        await asyncio.sleep(0.001)
    assert signal.reason.name == "TimeoutError"


async def check_crypto_and_globals() -> None:
    assert len(js.crypto.randomUUID()) == 36
    assert len(set(js.crypto.getRandomValues(js.Uint8Array.new(32)))) > 1
    digest = await js.crypto.subtle.digest("SHA-256", js.TextEncoder.new().encode("abc"))
    assert digest.to_bytes().hex().startswith("ba7816bf")
    assert js.Math.max(1, 3, 2) == 3
    assert js.parseInt("12px") == 12
    assert js.Number("0x10") == 16
    assert js.Object.prototype.toString.call(js.Array.new()) == "[object Array]"
    assert js.Array.from_(js.Set.new([1, 2])).length == 2
    assert abs(js.Date.now() - js.Date.new().getTime()) < 1000
    assert js.structuredClone(to_js({"a": 1})).get("a") == 1
    assert js.encodeURIComponent("a b/ü") == "a%20b%2F%C3%BC"
    assert js.Response.new("x").constructor == js.Response
    assert js.Object.new().constructor == js.Object
    socket = js.WebSocket.new("https://h/x", ["chat"])
    assert (socket.url, socket.readyState, runtime.opened[0][1:]) == ("https://h/x", 0, ("https://h/x", ["chat"]))
    assert js.WebSocket.OPEN == 1


async def main(name: str) -> None:
    watch(asyncio.get_running_loop(), runtime)
    await globals()[f"check_{name}"]()
    await asyncio.sleep(0)
    assert runtime.errors == [], runtime.errors


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

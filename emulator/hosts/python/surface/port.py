"""What the surface needs from the host: one object, handed to `install`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .promise import JsPromise
    from .request import JsRequest
    from .websocket import WebSocket


class Runtime(Protocol):
    """The host's side. Nothing here blocks; all of it is called on the event loop's thread."""

    @property
    def env(self) -> Any:
        """The project's env as a raw JavaScript object (`cloudflare:workers` `env`); `patch_env` replaces its members."""

    @property
    def flags(self) -> Mapping[str, bool]:
        """Compatibility flags for `_cloudflare_compat_flags`; a missing one is False."""

    @property
    def pyodide_version(self) -> str:
        """`pyodide.__version__`: "0.28.2" for Python 3.13, "314.0.0" for 3.14; never "0.26.0a2" (an old SDK path)."""

    def fetch(self, request: JsRequest) -> JsPromise:
        """Sends a request to the outside world; a promise of a `JsResponse`. Network failure rejects with a TypeError."""

    def open_socket(self, socket: WebSocket, url: str, protocols: list[str]) -> None:
        """Connects a client socket (`js.WebSocket.new(url)`): later `socket.attach(...)` and `socket.deliver_open(...)`,
        or `socket.deliver_error(...)`. Raises JsException SyntaxError for a URL it will not connect to."""

    def set_timer(self, delay_ms: float, callback: Callable[[], Any], repeat: bool) -> int:
        """Calls `callback` in an empty Context after `delay_ms` (again and again if `repeat`); the timer's id."""

    def clear_timer(self, timer_id: int) -> None:
        """Forgets a timer; an unknown id is no error."""

    def queue_microtask(self, callback: Callable[[], Any]) -> None:
        """Calls `callback` in an empty Context before other events."""

    def log(self, level: str, args: tuple[Any, ...]) -> None:
        """A `console` call; level is "log", "debug", "info", "warn" or "error", args are as the user gave them."""

    def now_ms(self) -> float:
        """The clock user code sees, in milliseconds since 1970."""

    def random_bytes(self, count: int) -> bytes:
        """Randomness for `crypto`."""

    def wait_until(self, promise: JsPromise) -> None:
        """Keeps the current event's work alive until `promise` settles (`waitUntil` of `cloudflare:workers`)."""

    def patch_wait_until(self, ctx: Any) -> None:
        """The SDK's `patchWaitUntil(ctx)`: from now on `ctx.waitUntil` takes Python awaitables."""

    def import_module(self, name: str) -> JsPromise:
        """`doAnImport(name)`: a promise of the module object; rejects with a JsException when there is none."""

    def missing(self, name: str) -> None:
        """User code or a package asked for `js.<name>`, which is not emulated."""

    def unhandled(self, error: BaseException) -> None:
        """A promise was rejected and nobody handled it."""

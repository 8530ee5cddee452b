"""Which library is given which connection, when user code imports it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType

from emulator.hosts.python.network.aiohttp_transport import adapt_aiohttp
from emulator.hosts.python.network.dialer import Dialer
from emulator.hosts.python.network.http_client import adapt_http_client, adapt_urllib3
from emulator.hosts.python.network.httpcore_streams import adapt_httpcore
from emulator.hosts.python.network.import_hooks import ImportHooks

type Adapt = Callable[[ModuleType, Dialer], None]

ADAPTERS: dict[str, Adapt] = {
    "http.client": adapt_http_client,
    "urllib3.connection": adapt_urllib3,
    "httpcore": adapt_httpcore,
    "httpcore2": adapt_httpcore,
    "aiohttp.connector": adapt_aiohttp,
}
"""By the module in which a library makes its connections."""


def adapt_libraries(dialer: Dialer) -> None:
    """Once per process, before user code is imported."""
    ImportHooks({name: partial(_adapt, adapt, dialer) for name, adapt in ADAPTERS.items()}).install()


def _adapt(adapt: Adapt, dialer: Dialer, module: ModuleType) -> None:
    adapt(module, dialer)

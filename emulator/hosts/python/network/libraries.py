"""Which library is given which connection, when user code imports it."""

from __future__ import annotations

import importlib
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from emulator.hosts.python.network.import_hooks import ImportHooks

if TYPE_CHECKING:
    from emulator.hosts.python.network.dialer import Dialer

_ADAPTERS = {
    "http.client": ("http_client", "adapt_http_client"),
    "urllib3.connection": ("http_client", "adapt_urllib3"),
    "httpcore": ("httpcore_streams", "adapt_httpcore"),
    "httpcore2": ("httpcore_streams", "adapt_httpcore"),
    "aiohttp.connector": ("aiohttp_transport", "adapt_aiohttp"),
}
"""By the module in which a library makes its connections: where its adapter is, which is loaded no sooner."""


def adapt_libraries(dialer: Dialer) -> None:
    """Once per process, before user code is imported."""
    ImportHooks({name: partial(_adapt, *adapter, dialer) for name, adapter in _ADAPTERS.items()}).install()


def _adapt(file: str, adapt: str, dialer: Dialer, module: ModuleType) -> None:
    adapters = importlib.import_module(f"emulator.hosts.python.network.{file}")
    getattr(adapters, adapt)(module, dialer)

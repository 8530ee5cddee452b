"""Connections of `http.client` (urllib.request, xmlrpc and many SDKs) and of urllib3 (requests, boto3): their own code, on a PeerSocket."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.hosts.python.network.dialer import Dialer
    from emulator.hosts.python.network.peer_socket import PeerSocket


def adapt_http_client(module: ModuleType, dialer: Dialer) -> None:
    """`http.client`: both connections' `connect`."""
    for cls, secure in ((module.HTTPConnection, False), (module.HTTPSConnection, True)):
        cls.connect = _connect(dialer, secure)


def adapt_urllib3(module: ModuleType, dialer: Dialer) -> None:
    """`urllib3.connection`, whose connections have a `connect` of their own (version 1.26 and 2)."""
    dialer.waiting.expect()
    for name, secure in (("HTTPConnection", False), ("HTTPSConnection", True)):
        cls = getattr(module, name)
        cls.connect = _connect_urllib3(dialer, secure)


def _socket(connection: Any, dialer: Dialer, secure: bool) -> PeerSocket:
    # Loaded with the first connection: the SDK imports http.client at every start.
    from emulator.hosts.python.network.peer_socket import PeerSocket

    # A tunnel through a proxy leads to the same place: the gateway is the only way out.
    host, port = connection._tunnel_host or connection.host, connection.port
    if connection._tunnel_host:
        port = connection._tunnel_port or connection.default_port
    return PeerSocket(dialer.dial(host, port, secure=secure), dialer.waiting, connection.timeout)


def _connect(dialer: Dialer, secure: bool) -> Any:
    def connect(self: Any) -> None:
        """Connect to the host and port of this connection."""
        self.sock = _socket(self, dialer, secure)

    return connect


def _connect_urllib3(dialer: Dialer, secure: bool) -> Any:
    def connect(self: Any) -> None:
        """Connect to the host and port of this connection."""
        self.sock = _socket(self, dialer, secure)
        self._has_connected_to_proxy = bool(getattr(self, "proxy", None))
        if self._has_connected_to_proxy:
            self.proxy_is_verified = True
        # Certificates are checked by the gateway, whatever `verify` says.
        self.is_verified = secure

    return connect

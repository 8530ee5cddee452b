"""A failed outbound exchange, in the words user code hears from the platform.

A service raises NetworkFailure from `serve`, or from a response body that breaks in the middle; the link carries `user_name` and
`user_message` to the host, which throws that error into user code. The sentence for us (`what`) goes to the terminal only.
"""

from __future__ import annotations

from emulator.errors import BackendError


class NetworkFailure(BackendError):
    """`user_name` is `Error` or `TypeError`; `user_message` is what workerd says; `retryable` as workerd flags it."""

    def __init__(self, code: str, what: str, *, user_name: str, user_message: str, retryable: bool) -> None:
        super().__init__(code, what)
        self.user_name = user_name
        self.user_message = user_message
        self.retryable = retryable

    @classmethod
    def lost(cls, what: str) -> NetworkFailure:
        """The connection could not be made or broke (E601): workerd's "Network connection lost."."""
        return cls("E601", what, user_name="Error", user_message="Network connection lost.", retryable=True)

    @classmethod
    def refused(cls, what: str, user_message: str) -> NetworkFailure:
        """The request itself cannot be made (E602): a TypeError in user code."""
        return cls("E602", what, user_name="TypeError", user_message=user_message, retryable=False)

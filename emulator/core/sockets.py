"""Rules and limits of WebSockets that belong to objects (durable-objects.md 5.2 to 5.6). Both processes use them.

The checks return the platform's sentence or None, because who raises it as what (a JavaScript TypeError, a close code 1009) differs.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_TAGS = 10
MAX_TAG_LENGTH = 256
MAX_ATTACHMENT = 16_384
"""Bytes of an attachment in serialized form."""
MAX_SOCKETS = 32_768
"""Hibernatable sockets of one object."""
MAX_MESSAGE = 33_554_432
"""Bytes of one message from a client."""
MAX_MESSAGE_RAISED = 134_217_728
"""The same with the compatibility flag `increase_websocket_message_size`."""
MAX_REASON = 123
"""UTF-8 bytes of a close reason: a control frame holds 125, two of them the code (RFC 6455 5.5)."""
MAX_AUTO_RESPONSE = 2_048
"""Bytes of either half of an auto-response pair."""
MAX_EVENT_TIMEOUT_MS = 604_800_000

NO_CODE = 1005
"""What an object hears when the client's Close frame carried no code."""
ABNORMAL = 1006
ABNORMAL_REASON = "WebSocket disconnected without sending Close frame."
"""What an object hears when the connection ended without a Close frame."""
TOO_BIG = 1009

_UNSENDABLE = frozenset({1004, 1005, 1006, 1015})


def close_code_error(code: int) -> str | None:
    """Why user code may not close with `code`, or None."""
    if 1000 <= code <= 4999 and code not in _UNSENDABLE:
        return None
    return f"Invalid WebSocket close code: {code}."


def close_reason_error(code: int | None, reason: str | None) -> str | None:
    """Why user code may not give this reason, or None."""
    if reason is None:
        return None
    if code is None:
        return "If you specify a WebSocket close reason, you must also specify a code."
    if len(reason.encode("utf-8", "replace")) > MAX_REASON:
        return f"WebSocket close reason must not be longer than {MAX_REASON} bytes when UTF-8 encoded."
    return None


def echoed_code(code: int | None) -> int | None:
    """The code that answers a client's Close: the same one; None (an empty Close) when it had none or must not be sent."""
    return code if code is not None and close_code_error(code) is None else None


def tags_error(tags: Sequence[str]) -> str | None:
    """Why a socket may not be accepted with these tags, or None. After ten distinct ones nothing may follow, not even a repetition."""
    seen: set[str] = set()
    for tag in tags:
        if len(seen) >= MAX_TAGS:
            return f"a Hibernatable WebSocket cannot have more than {MAX_TAGS} tags"
        if len(tag) > MAX_TAG_LENGTH:
            return f'"{tag}" is longer than the max tag length ({MAX_TAG_LENGTH} characters).'
        seen.add(tag)
    return None


def auto_response_error(request: str, response: str) -> str | None:
    """Why this pair may not be set, or None."""
    for half, text in (("Request", request), ("Response", response)):
        size = len(text.encode("utf-8", "replace"))
        if size > MAX_AUTO_RESPONSE:
            article = "A request" if half == "Request" else "A response"
            return f"{half} cannot be larger than {MAX_AUTO_RESPONSE} bytes. {article} of size {size} was provided."
    return None


def distinct(tags: Sequence[str]) -> list[str]:
    """The tags without repetitions, first come first."""
    return list(dict.fromkeys(tags))


def too_large(size: int, limit: int = MAX_MESSAGE) -> str:
    """The close reason of an oversized message of `size` bytes; the code is TOO_BIG."""
    return f"Message is too large: {size} > {limit}"


class AutoResponse:
    """An object's request and response pair. Only text that is exactly the request matches: not `ping ` and not binary `ping`."""

    __slots__ = ("request", "response")

    def __init__(self, request: str, response: str) -> None:
        self.request = request.encode("utf-8", "replace")
        self.response = response.encode("utf-8", "replace")

    def answer(self, text: bytes) -> bytes | None:
        """The response when the frame's text is the request."""
        return self.response if text == self.request else None

"""The JSON bodies around errors and results, one envelope per path (ai-binding.md 1.4). Pure.

`internalCode` always comes with `description`: without it the client shows its user "2001: undefined".
"""

from __future__ import annotations

from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.exchange import Headers, Response

JSON: Headers = [("content-type", "application/json")]
"""Exactly this: with a charset appended the client no longer parses the answer (ai-binding.md 1.3 rule 4)."""


def json_response(value: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(status, list(JSON), compact(value).encode())


def result(value: Any) -> Response:
    """What the management paths answer: `{"result": ...}`."""
    return json_response({"success": True, "result": value, "errors": [], "messages": []})


def run_error(status: int, code: int, message: str) -> Response:
    """An error of Workers AI's own: `/run`. The client throws `<code>: <message>`."""
    return json_response({"errors": [{"message": message, "code": code}], "success": False, "result": {}, "messages": []}, status)


def gateway_error(status: int, code: int, description: str, name: str = "AiGatewayError") -> Response:
    """An error of AI Gateway (`error`, singular, is an array), and of this emulator: `internalCode` gives user code a typed,
    non-retryable error called `name`, which throws as `<code>: <description>`."""
    return json_response(
        {
            "success": False,
            "result": [],
            "messages": [],
            "error": [{"code": code, "message": description}],
            "errors": [{"code": code, "message": description}],
            "name": name,
            "httpCode": status,
            "internalCode": code,
            "message": description,
            "description": description,
        },
        status,
    )


def listed_error(status: int, code: int, message: str) -> Response:
    """An error of the management paths (logs, models, markdown, autorag): the client shows `errors[0].message`."""
    return json_response({"success": False, "result": None, "errors": [{"code": code, "message": message}], "messages": []}, status)

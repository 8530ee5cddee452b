"""An error in each dialect (dialects.py): as an answer, and as an event in the middle of a stream. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai import envelopes
from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.faults.dialects import Dialect
from emulator.gateway.ai.faults.error_codes import BY_NAME, BY_NUMBER, ErrorCode, usual_code
from emulator.gateway.exchange import Response

OVERLOADED = 529
"""Anthropic's own status for "overloaded"."""

_OPENAI: dict[str, tuple[int, str, str]] = {
    "invalid_request_error": (400, "invalid_request_error", "The request is not valid."),
    "context_length_exceeded": (400, "invalid_request_error", "This model's maximum context length is exceeded by your messages."),
    "invalid_api_key": (401, "invalid_request_error", "Incorrect API key provided."),
    "permission_denied": (403, "invalid_request_error", "You have insufficient permissions for this operation."),
    "model_not_found": (404, "invalid_request_error", "The model does not exist or you do not have access to it."),
    "rate_limit_exceeded": (429, "requests", "Rate limit reached for requests."),
    "insufficient_quota": (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    "server_error": (500, "server_error", "The server had an error while processing your request."),
    "service_unavailable": (503, "server_error", "The server is currently overloaded, please try again later."),
}
_ANTHROPIC: dict[str, tuple[int, str]] = {
    "invalid_request_error": (400, "The request is not valid."),
    "authentication_error": (401, "invalid x-api-key"),
    "billing_error": (402, "Your credit balance is too low to access the API."),
    "permission_error": (403, "Your API key does not have permission to use the specified resource."),
    "not_found_error": (404, "The requested resource was not found."),
    "request_too_large": (413, "Request exceeds the maximum size"),
    "rate_limit_error": (429, "This request would exceed your organization's rate limit."),
    "api_error": (500, "Internal server error"),
    "timeout_error": (504, "The request timed out."),
    "overloaded_error": (OVERLOADED, "Overloaded"),
}
_GEMINI: dict[str, tuple[int, str]] = {
    "INVALID_ARGUMENT": (400, "Request contains an invalid argument."),
    "UNAUTHENTICATED": (401, "API key not valid. Please pass a valid API key."),
    "PERMISSION_DENIED": (403, "The caller does not have permission."),
    "NOT_FOUND": (404, "The model is not found for this API version."),
    "RESOURCE_EXHAUSTED": (429, "You exceeded your current quota, please check your plan and billing details."),
    "INTERNAL": (500, "An internal error has occurred."),
    "UNAVAILABLE": (503, "The model is overloaded. Please try again later."),
    "DEADLINE_EXCEEDED": (504, "The request timed out."),
}
_STATUS_OF = {
    **{name: status for name, (status, _) in _ANTHROPIC.items()},
    **{name: status for name, (status, _) in _GEMINI.items()},
    **{name: status for name, (status, _, _) in _OPENAI.items()},
    **{name: code.status for name, code in BY_NAME.items()},
}
NAMES = tuple(_STATUS_OF)
"""Every error that can be named: Cloudflare's by the names of error_codes.py, the providers' by their own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error to be told. At least one of `status` and `code` is given; `code` is a number of error_codes.py or one of NAMES.
    `message` replaces the usual words; `unique` is the uuid in Workers AI's words."""

    status: int | None
    code: int | str | None
    model: str
    unique: str
    message: str | None = None

    @property
    def http_status(self) -> int:
        """The status of the answer."""
        if self.status is not None:
            return self.status
        known = self.cloudflare
        return known.status if known is not None else _STATUS_OF.get(str(self.code), 500)

    @property
    def cloudflare(self) -> ErrorCode | None:
        """The code of Cloudflare's that was asked for, if it was one."""
        return BY_NUMBER.get(self.code) if isinstance(self.code, int) else BY_NAME.get(self.code or "")


def status_of(code: int | str) -> int | None:
    """The HTTP status that goes with a code; None for a number that no table knows."""
    known = BY_NUMBER.get(code) if isinstance(code, int) else None
    return known.status if known is not None else _STATUS_OF.get(str(code))


def error_answer(dialect: Dialect, failure: Failure, *, by_gateway: bool) -> Response:
    """`failure` as the whole answer to a request; `by_gateway` when AI Gateway is on the way, so that its own errors can come."""
    status, known = failure.http_status, failure.cloudflare
    if dialect is Dialect.MANAGEMENT:
        number, text = _cloudflare(failure)
        return envelopes.listed_error(status, number, text)
    if known is not None and known.gateway and by_gateway:
        return envelopes.gateway_error(status, known.number, failure.message or known.message(failure.model))
    if dialect is Dialect.WORKERS_AI:
        number, text = _cloudflare(failure)
        return envelopes.run_error(status, number, f"AiError: AiError: {text} ({failure.unique})")
    body = _body(dialect, failure)
    return envelopes.json_response([body] if dialect is Dialect.GEMINI_COMPAT else body, status)


def error_event(dialect: Dialect, failure: Failure) -> bytes:
    """`failure` as one event of a stream, blank line included; a line of its own where the dialect streams lines."""
    if dialect is Dialect.WORKERS_AI:
        number, text = _cloudflare(failure)
        return _event({"error": {"message": f"AiError: {text}", "type": "server_error", "code": number}})
    body = _body(dialect, failure)
    if dialect is Dialect.RESPONSES:
        error = body["error"]
        told = {"type": "error", "sequence_number": 0, "code": error["code"], "message": error["message"], "param": error["param"]}
        return b"event: error\n" + _event(told)
    if dialect is Dialect.OLLAMA:
        return f"{compact(body)}\n".encode()
    return (b"event: error\n" if dialect is Dialect.ANTHROPIC else b"") + _event(body)


def _event(value: Any) -> bytes:
    return f"data: {compact(value)}\n\n".encode()


def _body(dialect: Dialect, failure: Failure) -> dict[str, Any]:
    if dialect is Dialect.ANTHROPIC:
        name, text = _named({name: (status, text) for name, (status, text) in _ANTHROPIC.items()}, failure, "api_error")
        return {"type": "error", "error": {"type": name, "message": text}, "request_id": f"req_{failure.unique.replace('-', '')[:24]}"}
    if dialect in (Dialect.GEMINI, Dialect.GEMINI_COMPAT):
        name, text = _named(_GEMINI, failure, "INTERNAL")
        return {"error": {"code": failure.http_status, "message": text, "status": name}}
    name, text = _named({name: (status, text) for name, (status, _, text) in _OPENAI.items()}, failure, "server_error")
    if dialect is Dialect.OLLAMA:
        return {"error": text}
    return {"error": {"message": text, "type": _OPENAI[name][1], "param": None, "code": name}}


def _named(table: dict[str, tuple[int, str]], failure: Failure, otherwise: str) -> tuple[str, str]:
    """Name and words: the asked name if the dialect has it, else the last of its names that has the status."""
    status, asked = failure.http_status, str(failure.code)
    name = asked if asked in table else next((name for name, (known, _) in table.items() if known == status), otherwise)
    known = failure.cloudflare
    return name, failure.message or (known.message(failure.model) if known is not None else table[name][1])


def _cloudflare(failure: Failure) -> tuple[int, str]:
    """Number and words in Cloudflare's own terms; a status that no code has is its own number."""
    status, known = failure.http_status, failure.cloudflare
    if known is None and not isinstance(failure.code, int):
        known = usual_code(status)
    if known is not None:
        return known.number, failure.message or known.message(failure.model)
    number = failure.code if isinstance(failure.code, int) else status
    return number, failure.message or ("Internal server error" if status >= 500 else "The request failed")

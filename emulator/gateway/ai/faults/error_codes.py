"""The error codes of Workers AI and AI Gateway: number, name, HTTP status, words (ai-binding.md 1.4; the names and words of Workers AI's
own codes are those of its documentation). Pure.

Code that calls models tells errors by the number alone, so every error of ours that stands for one of theirs takes it from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """`gateway` codes travel in AI Gateway's envelope, the others in Workers AI's. `{model}` in `text` is the model that was asked."""

    number: int
    name: str
    status: int
    text: str
    gateway: bool = False

    def message(self, model: str) -> str:
        """The words of the error for `model`."""
        return self.text.replace("{model}", model)


def spend_limit_reached(rule: str) -> str:
    """The words of 2041 and 2045."""
    return f"Spend limit reached: rule '{rule}'"


_NOT_ALLOWED = "The account is not allowed to access this model"
_NEURONS = "daily free allocation of 10,000 neurons"
_PAID_PLAN = "upgrade to Cloudflare's Workers Paid plan if you would like to continue usage."

CODES = (
    ErrorCode(5007, "no_such_model", 400, "No such model {model} or task"),
    ErrorCode(5004, "invalid_data", 400, "Invalid data type for base64 input: undecodable"),
    ErrorCode(5006, "bad_input", 400, "Bad input: Error: required properties at '/' are 'prompt'"),
    ErrorCode(3003, "incomplete_request", 400, "Request is missing headers or body: body"),
    ErrorCode(3030, "input_refused", 400, "The input is too long for this model or was flagged"),
    ErrorCode(3039, "finetune_missing_files", 400, "Finetune is missing required files (model.safetensors and config.json)"),
    ErrorCode(10000, "authentication_error", 401, "Authentication error"),
    ErrorCode(5016, "model_agreement", 403, "User has not agreed to Llama3.2 model terms"),
    ErrorCode(5018, "private_model", 403, _NOT_ALLOWED),
    ErrorCode(3023, "account_blocked", 403, "Service unavailable for account"),
    ErrorCode(3041, "account_not_allowed", 403, _NOT_ALLOWED),
    ErrorCode(3042, "invalid_model_id", 404, "The model name is invalid"),
    ErrorCode(5005, "lora_unsupported", 405, "The model {model} does not support LoRa inference"),
    ErrorCode(5019, "deprecated_sdk", 405, "Request trying to use deprecated SDK version"),
    ErrorCode(3007, "timeout", 408, "Request timeout"),
    ErrorCode(3008, "aborted", 408, "Request was aborted"),
    ErrorCode(3046, "model_timeout", 408, "Request timeout"),
    ErrorCode(3006, "request_too_large", 413, "Request is too large"),
    ErrorCode(3036, "account_limited", 429, f"You have used up your {_NEURONS}. Please {_PAID_PLAN}"),
    ErrorCode(4006, "neurons_used_up", 429, f"you have used up your {_NEURONS}, please {_PAID_PLAN}"),
    ErrorCode(3040, "out_of_capacity", 429, "No more data centers to forward the request to"),
    ErrorCode(2001, "no_such_gateway", 400, "Please configure AI Gateway in the Cloudflare dashboard", gateway=True),
    ErrorCode(2003, "rate_limited", 429, "Rate limited", gateway=True),
    ErrorCode(2009, "gateway_unauthorized", 401, "Unauthorized", gateway=True),
    ErrorCode(2021, "no_credits", 402, "No credits for unified billing, and no stored key for this provider", gateway=True),
    ErrorCode(2040, "unknown_key_alias", 400, "Unknown alias of a stored key", gateway=True),
    ErrorCode(2041, "spend_limited", 429, spend_limit_reached("default"), gateway=True),
    ErrorCode(2045, "spend_limit_rule", 429, spend_limit_reached("default"), gateway=True),
    ErrorCode(7003, "user_input_error", 400, "User Input Error", gateway=True),
)

BY_NUMBER = {code.number: code for code in CODES}
BY_NAME = {code.name: code for code in CODES}

_USUAL = {400: 5006, 401: 10000, 402: 2021, 403: 5018, 404: 3042, 405: 5005, 408: 3007, 413: 3006, 429: 3040}


def usual_code(status: int) -> ErrorCode | None:
    """The code that Workers AI most often sends with `status`; None for a status without one, such as 500."""
    number = _USUAL.get(status)
    return None if number is None else BY_NUMBER[number]

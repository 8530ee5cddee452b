"""The log as service.py used it before AI Gateway had a package of its own; logs.py there takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai.ai_gateway.logs import GatewayLogs, LogRow, log_id
from emulator.gateway.ai.ai_gateway.settings import clean_metadata
from emulator.gateway.ai.ai_gateway.usage import tokens_of

__all__ = ["GatewayLogs", "log_entry", "log_id", "metadata_of"]


def metadata_of(value: Any) -> Any:
    """The metadata a log keeps."""
    return clean_metadata(value)[0]


def log_entry(
    *,
    entry_id: str,
    provider: str,
    model: str,
    path: str,
    created_ms: int,
    duration_ms: int,
    status: int,
    streamed: bool,
    request: bytes,
    response_size: int,
    response_head: bytes,
    response_type: str,
    usage: Mapping[str, Any] | None,
    metadata: Any,
) -> dict[str, Any]:
    """One entry in the service's own field names."""
    row = LogRow(
        id=entry_id,
        request_id=entry_id,
        provider=provider,
        model=model,
        path=path,
        created_ms=created_ms,
        duration_ms=duration_ms,
        status=status,
        streamed=streamed,
        request=request,
        response_size=response_size,
        response_head=response_head,
        response_type=response_type,
        tokens=tokens_of(usage),
        metadata=metadata,
    )
    return row.document()

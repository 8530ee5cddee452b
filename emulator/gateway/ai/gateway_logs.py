"""The former place of ai_gateway/logs.py, for importers that have not moved yet."""

from emulator.gateway.ai.ai_gateway.logs import GatewayLogs, log_entry, log_id, metadata_of

__all__ = ["GatewayLogs", "log_entry", "log_id", "metadata_of"]

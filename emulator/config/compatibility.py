"""Which behaviours a compatibility date switches on (durable-objects.md 10.5, python-workers-surface.md 11 and 4.2).

A flag is on when it is named, off when its opposite is named, else on from its date. Flags we have no row for are on only when
named; the platform has many more, and those change nothing that is emulated here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

NEWEST_DATE = "2026-11-17"
"""The runtime this emulator was held against; what a project without `compatibility_date` gets, as with wrangler."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`since` is the date (YYYY-MM-DD) from which it is on by itself, None when it must be asked for.

    `needs` is a flag that must be on too, or the date does nothing.
    """

    name: str
    opposite: str
    since: str | None = None
    needs: str | None = None


FLAGS = {
    flag.name: flag
    for flag in (
        Flag("durable_object_fetch_requires_full_url", "durable_object_fetch_allows_relative_url", "2021-11-10"),
        Flag("rpc", "no_rpc", "2024-04-03"),
        Flag("rpc_params_dup_stubs", "rpc_params_transfer_stubs", "2026-01-20"),
        Flag("delete_all_deletes_alarm", "delete_all_preserves_alarm", "2026-02-24"),
        Flag("websocket_close_reason_byte_limit", "no_websocket_close_reason_byte_limit", "2026-03-03"),
        Flag("websocket_standard_binary_type", "no_websocket_standard_binary_type", "2026-03-17"),
        Flag("web_socket_auto_reply_to_close", "web_socket_manual_reply_to_close", "2026-04-07"),
        Flag("assets_navigation_prefers_asset_serving", "assets_navigation_has_no_effect", "2025-04-01"),
        Flag("enhanced_error_serialization", "legacy_error_serialization", "2026-04-21"),
        Flag("nodejs_compat", "no_nodejs_compat", "2026-08-04"),
        Flag("nodejs_compat_populate_process_env", "nodejs_compat_do_not_populate_process_env", "2025-04-01", needs="nodejs_compat"),
        Flag("durable_object_io_tasks_prevent_eviction", "no_durable_object_io_tasks_prevent_eviction", "2026-10-01"),
        Flag("enable_request_signal", "disable_request_signal", "2026-11-17"),
        Flag("request_signal_passthrough", "no_request_signal_passthrough"),
        Flag("increase_websocket_message_size", "no_increase_websocket_message_size"),
        Flag("enable_abortsignal_rpc", "disable_abortsignal_rpc"),
        Flag("python_no_global_handlers", "disable_python_no_global_handlers", "2025-08-14"),
        Flag("python_workers_20250116", "no_python_workers_20250116", "2025-09-29", needs="python_workers"),
        Flag("python_workers_314", "no_python_workers_314", "2026-09-08", needs="python_workers"),
        Flag("python_request_headers_preserve_commas", "disable_python_request_headers_preserve_commas", "2026-02-17"),
        Flag(
            "python_workflows_implicit_dependencies",
            "no_python_workflows_implicit_dependencies",
            "2026-02-25",
            needs="python_workers",
        ),
    )
}


def is_on(name: str, date: str, named: Collection[str]) -> bool:
    """Whether flag `name` holds for a project with this compatibility date (YYYY-MM-DD) and these `compatibility_flags`."""
    if name in named:
        return True
    flag = FLAGS.get(name)
    if flag is None or flag.opposite in named or flag.since is None:
        return False
    return date >= flag.since and (flag.needs is None or is_on(flag.needs, date, named))


def implied_python(date: str, named: Collection[str]) -> tuple[int, int]:
    """The Python version that the platform would run a Python Worker on."""
    if is_on("python_workers_314", date, named):
        return (3, 14)
    if is_on("python_workers_20250116", date, named):
        return (3, 13)
    return (3, 12)

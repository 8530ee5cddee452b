"""The scenarios, by topic. Importing this registers all of them."""

from scenarios import beyond, calls, chat, connect, crash, family, mcp, resume, routing, schedules, state, tools, turns

__all__ = ["beyond", "calls", "chat", "connect", "crash", "family", "mcp", "resume", "routing", "schedules", "state", "tools", "turns"]

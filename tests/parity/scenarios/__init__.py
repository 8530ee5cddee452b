"""The scenarios, by topic. Importing this registers all of them."""

from scenarios import beyond, calls, chat, connect, crash, family, resume, routing, schedules, state, tools, turns

__all__ = ["beyond", "calls", "chat", "connect", "crash", "family", "resume", "routing", "schedules", "state", "tools", "turns"]

"""The scenarios, by topic. Importing this registers all of them."""

from scenarios import calls, chat, connect, crash, family, resume, routing, schedules, state, tools, turns

__all__ = ["calls", "chat", "connect", "crash", "family", "resume", "routing", "schedules", "state", "tools", "turns"]

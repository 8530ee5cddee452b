"""The scenarios, by topic. Importing this registers all of them."""

from scenarios import connect, state

__all__ = ["connect", "state"]

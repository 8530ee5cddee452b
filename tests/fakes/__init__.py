"""Servers that speak the protocols of model providers, for tests without keys. See README.md."""

"""The cases, in the order of durable-objects.md 12; numbers with X are beyond it."""

from cases import alarms, blocking, configuration, errors, gates, hibernation, identity, kv, lifetime, outgoing, rpc, sockets, sql

_PARTS = (identity, errors, blocking, gates, sql, kv, alarms, sockets, hibernation, lifetime, rpc, configuration, outgoing)

CASES = tuple(case for part in _PARTS for case in part.CASES)

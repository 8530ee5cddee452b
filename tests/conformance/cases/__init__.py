"""The cases, in the order of durable-objects.md 12."""

from cases import alarms, blocking, errors, gates, hibernation, identity, kv, sockets, sql

CASES = (
    *identity.CASES,
    *errors.CASES,
    *blocking.CASES,
    *gates.CASES,
    *sql.CASES,
    *kv.CASES,
    *alarms.CASES,
    *sockets.CASES,
    *hibernation.CASES,
)

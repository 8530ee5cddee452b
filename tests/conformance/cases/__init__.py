"""The cases, in the order of durable-objects.md 12."""

from cases import blocking, errors, gates, identity

CASES = (*identity.CASES, *errors.CASES, *blocking.CASES, *gates.CASES)

"""How the conformance cases are written (steps, programs, matching) and played (stage)."""

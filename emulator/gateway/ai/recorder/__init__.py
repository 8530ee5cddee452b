"""From an answer that passes to a recording on disk: noted, cleaned of secrets, staged, committed (ai-binding.md 7.4 and 7.5)."""

"""Answers without a model: deterministic, of the right form, for every task (ai-binding.md 7.9)."""

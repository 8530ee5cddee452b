"""What a model takes, and what to say when a call gives it something else (ai-binding.md 5)."""

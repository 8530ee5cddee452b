"""Faults on purpose: rules, what they do to answers, and every error in the words of whoever was asked (ai-binding.md 7.6)."""

"""Recordings as they are on disk, how they are found again, and what is said when none is (ai-binding.md 7.1 to 7.3)."""

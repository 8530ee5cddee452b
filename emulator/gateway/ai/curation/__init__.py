"""What people do with recordings outside a server: read, compare, edit, check, rename, prune, import, export (ai-binding.md 7.7)."""

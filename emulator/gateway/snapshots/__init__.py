"""Snapshots of the objects' state: committable folders that are saved, checked, and swapped in as a whole (docs/state.md)."""

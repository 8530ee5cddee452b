"""Everything that happens, one entry each, in order (design 1.5). `journal.py` takes entries, `entries.py` says what they look like,
`hiding.py` keeps secret values out, `ring.py` has the newest, `file.py` all that fit a file, `reading.py` is for those who follow."""

from emulator.gateway.journal.journal import Journal
from emulator.gateway.journal.readers import Entry, Reader

__all__ = ["Entry", "Journal", "Reader"]

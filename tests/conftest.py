"""`from fakes import ...` works in every test: tests/fakes/README.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

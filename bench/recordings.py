"""How long the gateway needs for the recordings of a folder, alone in a process. Prints one JSON object.

python -m bench.recordings FOLDER      {"count", "load_s", "match_ms"}: to read them all, and the median to find the one for a request
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from emulator.config import AiMode
from emulator.config.speed import INSTANT
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.replay import Pacer


def main() -> None:
    """Measure the folder that the command line names."""
    folder = Path(sys.argv[1])
    began = time.perf_counter()
    library = Library([folder])
    requests = [recording.request for recording in library.shelf().recordings]
    load_s = time.perf_counter() - began
    playback = Playback(library, AiMode.REPLAY, Pacer(INSTANT), ci=True, redact=Redaction(dict).request)
    found_s = []
    for request in requests:
        began = time.perf_counter()
        if playback.find(request).recording is None:
            raise SystemExit(f"no recording for {request.target}")
        found_s.append(time.perf_counter() - began)
    print(json.dumps({"count": len(requests), "load_s": load_s, "match_ms": statistics.median(found_s) * 1000}))


if __name__ == "__main__":
    main()

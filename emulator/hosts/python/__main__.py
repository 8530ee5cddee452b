"""`python -m emulator.hosts.python --link PATH [--fallback-path DIR ...]`: one host process. It ends when its gateway does."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time

from emulator.hosts.python.loop import HostLoop


def main() -> None:
    """Connect, serve, end."""
    parser = argparse.ArgumentParser(prog="emulator.hosts.python", description="A host process; agents-emu starts it.")
    parser.add_argument("--link", required=True, help="the gateway's Unix socket")
    parser.add_argument("--fallback-path", action="append", default=[], help="where to look for packages the project does not bring")
    options = parser.parse_args()
    # Ctrl-C reaches the whole terminal group; when to end is the gateway's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=HostLoop) as runner:
        sys.exit(runner.run(_serve(options.link, options.fallback_path)))


async def _serve(path: str, fallback_path: list[str]) -> int:
    from emulator.hosts.python.session import Session

    session = Session(lambda: time.time_ns() // 1_000_000, fallback_path)
    link = session.link
    await asyncio.get_running_loop().create_unix_connection(lambda: link, path)
    session.hello()
    code = await session.ended
    link.close()
    return code


if __name__ == "__main__":
    main()

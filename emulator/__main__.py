"""The command `agents-emu`, also as `python -m emulator`."""

import sys

from emulator.cli.main import run


def main() -> None:
    """Run the command line and exit with its code (design 4.4)."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

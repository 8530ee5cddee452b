"""agents-emu: a local emulator for Cloudflare Agents. Importing it loads nothing else."""

__version__ = "0.1.0"

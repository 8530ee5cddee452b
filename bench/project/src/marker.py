"""What the reload measurement rewrites, to see which code answers."""

MARKER = "first"

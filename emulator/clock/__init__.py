"""Virtual time, for the gateway and for Python hosts: a clock that is moved, and a loop that knows when nothing is left to do."""

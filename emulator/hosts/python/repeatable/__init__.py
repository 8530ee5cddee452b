"""What makes runs repeat: a clock that the gateway moves, and randomness that comes from a seed. Without them nothing here is imported.

Host code that wants the time which user code sees says `time.time()`; what must stay on the machine's clock (the loop's own timers, the
stall watch, bounds against hangs) imports the function itself, before anything is replaced.
"""

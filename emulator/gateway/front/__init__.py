"""The project's front end behind our port: its own Vite, in a process that emulator/front/ is the code of.

`process.py` is one such process, `front.py` keeps one running, `vite.py` asks it, `assets.py` decides what to ask, `tunnel.py` carries
its WebSocket.
"""

"""The emulator's own paths: the control API (design 4.5) and `scheduled` by hand. openapi.json describes them, a test holds the two
together.

They are for this machine only: the Host must be ours, a browser's Origin must be ours or absent, and on a bind that others can reach a
token is needed.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.web_request import BaseRequest


class Control:
    pass

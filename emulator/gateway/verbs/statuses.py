"""The HTTP status of each refusal, by its error code. What is not listed is the asker's mistake: 400."""

from __future__ import annotations

from typing import Final

STATUSES: Final = {
    "E221": 404,  # the control API is switched off
    "E222": 401,  # no token
    "E223": 403,  # another host's name
    "E224": 403,  # another site's page
    "E225": 404,  # no such path
    "E226": 405,  # another method
    "E228": 404,  # no such object, socket, host, alarm
    "E244": 409,  # a session that another holds
    "E245": 409,
    "E250": 409,  # the real clock is not moved
    "E252": 503,  # no rest, no end
    "E253": 503,
    "E261": 404,  # no such snapshot
    "E262": 409,  # there is one of that name
    "E264": 409,  # a snapshot that does not fit the project
    "E265": 409,
    "E266": 409,
    "E267": 404,  # nothing of that name in it
    "E268": 503,  # a database that stays locked
    "E324": 500,  # the disk
    "E325": 500,
    "E411": 503,  # code that does not load
    "E270": 409,  # no rewind here
    "E271": 503,  # a host whose points cannot be counted now
    "E326": 500,  # files that cannot be removed
    "E900": 500,  # our fault
    "E405": 503,  # a host that cannot answer now
}


def status_of(code: str) -> int:
    """The status of an error with this code."""
    return STATUSES.get(code, 400)

"""HTTP libraries of user code, led through the gateway; and the guard on every other way out of this process.

A library stays as it is. What it takes for a connection is a `Peer` (peer.py): the far end of a TCP connection that speaks HTTP/1.1 and
sends each request as an exchange on the link, so that it is live, recorded, replayed or denied like any `fetch`. `libraries.py` gives
each library its own kind of connection (`http_client.py`, `httpcore.py`, `aiohttp.py`) when user code imports it, and not before.
`guard.py` watches over what does not come this way.
"""

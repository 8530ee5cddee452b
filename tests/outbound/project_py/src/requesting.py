"""The HTTP libraries. What is done in two steps tells the server to go on after the first."""

import asyncio
import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import aiohttp
import httpx
import js
import requests
import urllib3
from pyodide.http import pyfetch
from workers import fetch


def error_of(error):
    return {"error": type(error).__name__, "text": str(error)}


async def get(library, base, path="/echo?status=201"):
    """Status, body, and the headers that matter."""
    url = base + path
    match library:
        case "httpx":
            async with httpx.AsyncClient() as client:
                r = await client.get(url)
            return [r.status_code, r.text, r.headers.get_list("set-cookie")]
        case "httpx-sync":
            r = httpx.get(url)
            return [r.status_code, r.text, r.headers.get_list("set-cookie")]
        case "requests":
            r = requests.get(url)
            return [r.status_code, r.text, r.raw.headers.getlist("set-cookie")]
        case "requests-thread":
            r = await asyncio.to_thread(requests.get, url)
            return [r.status_code, r.text, r.raw.headers.getlist("set-cookie")]
        case "urllib3":
            r = urllib3.PoolManager().request("GET", url)
            return [r.status, r.data.decode(), r.headers.getlist("set-cookie")]
        case "urllib":
            try:
                answer = urllib.request.urlopen(url)
            except urllib.error.HTTPError as error:
                answer = error
            with answer as r:
                return [r.status, r.read().decode(), r.headers.get_all("set-cookie")]
        case "http.client":
            parts = urlsplit(url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            connection = kind(parts.netloc)
            connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
            r = connection.getresponse()
            return [r.status, r.read().decode(), r.headers.get_all("set-cookie")]
        case "aiohttp":
            async with aiohttp.ClientSession() as session, session.get(url) as r:
                return [r.status, await r.text(), r.headers.getall("set-cookie", [])]
        case "workers":
            r = await fetch(url)
            return [r.status, await r.text(), r.headers.get_all("set-cookie")]
        case "js":
            r = await js.fetch(url)
            return [r.status, str(await r.text()), list(r.headers.getSetCookie())]
        case "pyodide":
            r = await pyfetch(url)
            return [r.status, await r.text(), list(r.js_response.headers.getSetCookie())]


async def post(library, base):
    """Twice on one connection where the library keeps one, with a header and a body."""
    url, headers = base + "/echo", {"x-mine": "yes"}
    match library:
        case "httpx":
            async with httpx.AsyncClient() as client:
                return [(await client.post(url, content=body, headers=headers)).json() for body in (b"one", b"two")]
        case "httpx-sync":
            with httpx.Client() as client:
                return [client.post(url, content=body, headers=headers).json() for body in (b"one", b"two")]
        case "requests":
            with requests.Session() as session:
                return [session.post(url, data=body, headers=headers).json() for body in (b"one", b"two")]
        case "aiohttp":
            async with aiohttp.ClientSession() as session:
                answers = []
                for body in (b"one", b"two"):
                    async with session.post(url, data=body, headers=headers) as r:
                        answers.append(await r.json())
                return answers


async def pieces_of(library, url):
    match library:
        case "httpx":
            async with httpx.AsyncClient() as client, client.stream("GET", url) as r:
                async for piece in r.aiter_raw():
                    yield piece
        case "httpx-sync":
            with httpx.stream("GET", url) as r:
                for piece in r.iter_raw():
                    yield piece
        case "requests":
            with requests.get(url, stream=True) as r:
                for piece in r.iter_content(None):
                    yield piece
        case "urllib":
            with urllib.request.urlopen(url) as r:
                while piece := r.read1():
                    yield piece
        case "aiohttp":
            async with aiohttp.ClientSession() as session, session.get(url) as r:
                async for piece in r.content.iter_any():
                    yield piece
        case "workers":
            async for piece in (await fetch(url)).body:
                yield piece.to_bytes()


async def stream(library, base, name):
    """Who buffers never sees the first piece."""
    pieces = []
    async for piece in pieces_of(library, f"{base}/stream/{name}"):
        pieces.append(piece.decode())
        if len(pieces) == 1:
            await fetch(f"{base}/step/{name}")
    return pieces


async def upload(library, base, name):
    """The second piece is made when the server has the first."""
    url, wait = f"{base}/upload/{name}", f"{base}/wait/{name}"

    async def pieces():
        yield b"one"
        await fetch(wait)
        yield b"two"

    def pieces_sync():
        yield b"one"
        requests.get(wait)
        yield b"two"

    match library:
        case "httpx":
            async with httpx.AsyncClient() as client:
                return (await client.post(url, content=pieces())).json()
        case "httpx-sync":
            return httpx.post(url, content=pieces_sync()).json()
        case "requests":
            return requests.post(url, data=pieces_sync()).json()
        case "aiohttp":
            async with aiohttp.ClientSession() as session, session.post(url, data=pieces()) as r:
                return await r.json()


async def abandon(library, base, name):
    """Reads one piece of an endless answer and goes; the server must notice."""
    answer = pieces_of(library, f"{base}/endless/{name}")
    first = await anext(answer)
    await answer.aclose()
    return [first.decode()[:4], await (await fetch(f"{base}/wait/{name}")).text()]


async def fail(library, base, path=""):
    """The error for a server that is not there, or a body that breaks off."""
    try:
        return await get(library, base, path or "/")
    except Exception as error:
        return error_of(error)


async def late(library, base):
    """The error when the answer takes longer than the library waits."""
    url = base + "/slow"
    try:
        match library:
            case "httpx":
                async with httpx.AsyncClient(timeout=0.05) as client:
                    return (await client.get(url)).status_code
            case "httpx-sync":
                return httpx.get(url, timeout=0.05).status_code
            case "requests":
                return requests.get(url, timeout=0.05).status_code
            case "urllib":
                return urllib.request.urlopen(url, timeout=0.05).status
            case "aiohttp":
                async with aiohttp.ClientSession() as session, session.get(url, timeout=aiohttp.ClientTimeout(total=0.05)) as r:
                    return r.status
    except Exception as error:
        return error_of(error)

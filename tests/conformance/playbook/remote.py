"""A runtime that somebody else started, such as workerd with project_js: cases can only talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp


@dataclass
class Remote:
    """`origin` as in `http://127.0.0.1:9555`."""

    origin: str
    session: aiohttp.ClientSession

    @property
    def host(self) -> str:
        return self.origin.removeprefix("http://")

    def output(self) -> str:
        return ""


@asynccontextmanager
async def remote(origin: str) -> AsyncIterator[Remote]:
    async with aiohttp.ClientSession() as session:
        yield Remote(origin, session)

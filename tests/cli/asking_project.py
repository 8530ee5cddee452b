"""A small project whose Worker asks a model, and the program that asks it: what `agents-emu ai record` and its like wrap in tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

MODEL = "@cf/meta/llama-3.1-8b-instruct"
KEY = "fake-key-of-tests-4711"
MARK = "AGENTS_EMU_TEST_MARK"
WITHIN_S = 100.0

ENTRY = f'''
from urllib.parse import parse_qs, urlsplit

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        query = parse_qs(urlsplit(request.url).query)
        options = {{"gateway": {{"id": query["gateway"][0]}}}} if "gateway" in query else {{}}
        try:
            answer = await self.env.AI.run("{MODEL}", {{"prompt": query["prompt"][0]}}, **options)
            return Response(answer["response"])
        except Exception as error:
            return Response("swallowed" if "swallow" in query else str(error), status=200 if "swallow" in query else 500)
'''

CLIENT = '''
"""Asks the server for each prompt; exits with the number after --exit, or 1 when an answer is an error."""
import os, subprocess, sys, time, urllib.error, urllib.parse, urllib.request

arguments, code = sys.argv[1:], 0
while arguments:
    word = arguments.pop(0)
    if word == "--exit":
        code = int(arguments.pop(0))
    elif word == "--sleep":
        print("sleeping", flush=True)
        time.sleep(60)
    elif word == "--orphan":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    else:
        prompt, _, more = word.partition("&")
        query = "prompt=" + urllib.parse.quote(prompt) + ("&" + more if more else "")
        try:
            with urllib.request.urlopen(os.environ["AGENTS_EMU_URL"] + "/?" + query, timeout=60) as response:
                print(response.read().decode(), flush=True)
        except urllib.error.HTTPError as error:
            print("error", error.read().decode(), flush=True)
            code = code or 1
sys.exit(code)
'''


@dataclass
class Result:
    """What a run of the command line left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class AskingProject:
    """The project in `root`. Every process it starts carries a mark, so that none can be left behind unseen."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid4().hex)

    def make(self) -> AskingProject:
        self.root.mkdir(parents=True, exist_ok=True)
        wrangler = {"name": "asking", "main": "entry.py", "compatibility_date": "2026-06-11", "ai": {"binding": "AI"}}
        (self.root / "wrangler.jsonc").write_text(json.dumps({**wrangler, "compatibility_flags": ["python_workers"]}))
        (self.root / "entry.py").write_text(ENTRY)
        (self.root / "client.py").write_text(CLIENT)
        return self

    def routed(self, base_url: str, more: str = "") -> AskingProject:
        """All models are those of the OpenAI server at `base_url`, which wants KEY; `more` ends `agents-emu.toml`."""
        route = '[[ai.routes]]\nmatch = "@cf/*"\nto = "fake"\nmodel = "llama"\n'
        backend = f'[ai.backends.fake]\ntype = "openai"\nbase_url = "{base_url}"\nkey = "env:FAKE_KEY"\n'
        (self.root / "agents-emu.toml").write_text(route + backend + more)
        (self.root / ".dev.vars").write_text(f"FAKE_KEY={KEY}\n")
        return self

    def recorded(self, name: str, prompt: str, answer: Any, *, cassette: str = "default", source: str = "recorded", **more: Any) -> Path:
        """Write a recording of the Worker's question."""
        folder = self.root / "fixtures" / "ai" / cassette
        folder.mkdir(parents=True, exist_ok=True)
        request = {"kind": "binding.run", "target": MODEL, "body": {"prompt": prompt}}
        response = answer if "status" in answer else {"status": 200, "json": answer}
        document = {"format": 1, "id": name, "source": source, "request": request, "response": response, **more}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(document))
        return path

    def files(self, cassette: str = "default") -> list[str]:
        """The cassette's files."""
        folder = self.root / "fixtures" / "ai" / cassette
        return sorted(path.name for path in folder.glob("*.json")) if folder.is_dir() else []

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.lower().endswith("_proxy")}
        return {**kept, MARK: self.mark, **self.environ}

    async def start(self, *arguments: str, **options: Any) -> asyncio.subprocess.Process:
        given = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **options}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "emulator", *arguments, cwd=self.root, env=self.environment, **given
        )

    async def emu(self, *arguments: str) -> Result:
        """Run one command of the command line to its end."""
        process = await self.start(*arguments)
        try:
            out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
        except TimeoutError:
            process.kill()
            raise
        assert process.returncode is not None
        return Result(process.returncode, out.decode(), err.decode())

    async def wrapped(self, verb: str, *client: str, options: tuple[str, ...] = ()) -> Result:
        """`agents-emu ai VERB OPTIONS -- python client.py ...`."""
        return await self.emu("ai", verb, *options, "--", sys.executable, "client.py", *client)

    def alive(self) -> list[int]:
        """Processes with our mark."""
        wanted, found = f"{MARK}={self.mark}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:  # ended while we looked, or another user's
                continue
        return found

    async def assert_nobody_left(self) -> None:
        for _ in range(100):
            if not self.alive():
                return
            await asyncio.sleep(0.05)
        left = self.alive()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"processes left behind: {left}")

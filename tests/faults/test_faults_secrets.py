"""A secret value, whatever user code does with it, is neither in the terminal nor in the journal."""

from __future__ import annotations

import json
from pathlib import Path

from harness.server import Server, serving
from harness.waiting import eventually

FIRST, SECOND = "sk-first-0123456789", "sk-second-9876543210"

ENTRY = """
import sys
import time
from workers import DurableObject, Response, WorkerEntrypoint, fetch


class Thing(DurableObject):
    async def arm(self):
        await self.ctx.storage.setAlarm(time.time() * 1000)

    async def alarm(self):
        raise RuntimeError(f"alarm with {self.env.KEY}")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        deed = request.url.rsplit("/", 1)[1]
        key = self.env.KEY
        if deed == "print":
            print(f"printed {key}")
        elif deed == "raw":
            sys.__stdout__.write(f"raw {key}\\n")
            sys.__stdout__.flush()
        elif deed == "raise":
            raise RuntimeError(f"raised {key}")
        elif deed == "alarm":
            await self.env.THING.getByName("one").arm()
        elif deed == "fetch":
            try:
                await fetch(f"http://127.0.0.1:9/{key}/?key={key}")
            except Exception:
                pass
        return Response(deed)

    async def scheduled(self, controller, env=None, ctx=None):
        raise RuntimeError(f"scheduled {self.env.KEY}")
"""


def make_project(folder: Path) -> Path:
    (folder / "src").mkdir(parents=True)
    configuration = {
        "name": "secrets",
        "main": "src/entry.py",
        "compatibility_date": "2026-06-11",
        "compatibility_flags": ["python_workers"],
        "durable_objects": {"bindings": [{"name": "THING", "class_name": "Thing"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Thing"]}],
        "triggers": {"crons": ["*/5 * * * *"]},
    }
    (folder / "wrangler.jsonc").write_text(json.dumps(configuration))
    (folder / "src" / "entry.py").write_text(ENTRY)
    (folder / ".dev.vars").write_text(f"KEY={FIRST}\n")
    return folder


async def shows(server: Server, *texts: str) -> None:
    """Wait until the terminal shows all of them, or say which it does not."""

    async def there() -> bool:
        output = server.output()
        return all(text in output for text in texts)

    await eventually(there)


async def do_everything(server: Server) -> None:
    for deed in ("print", "raw", "raise", "alarm", "fetch"):
        await server.get(f"/{deed}")
    await server.get("/cdn-cgi/handler/scheduled")


def journal(server: Server) -> str:
    return (server.folder / ".agents-emu" / "journal.ndjson").read_text("ascii")


async def test_a_secret_is_shown_nowhere(tmp_path: Path):
    source = make_project(tmp_path / "source")
    async with serving(source, tmp_path) as server:
        assert "/cdn-cgi/handler/scheduled?cron=*/5+*+*+*+*" in server.output()
        await do_everything(server)
        told = [f"{how} [secret KEY]" for how in ("printed", "raw", "RuntimeError: raised", "scheduled", "alarm with")]
        await shows(server, *told)

        (server.folder / ".dev.vars").write_text(f"KEY={SECOND}\n")

        async def reloaded() -> bool:
            return '"kind":"reload"' in journal(server)

        await eventually(reloaded)
        before = server.output().count("printed [secret KEY]")
        await do_everything(server)

        async def printed_again() -> bool:
            return server.output().count("printed [secret KEY]") > before

        await eventually(printed_again)
        # The code does not load, and its error holds the new value and the one that was replaced.
        (server.folder / "src" / "entry.py").write_text(f"raise RuntimeError('at load {SECOND} {FIRST}')\n")
        await shows(server, "at load [secret KEY] [secret KEY]")
    written = journal(server)
    for kind in ('"log"', '"exception"', '"alarm.run"', '"load.failed"', '"egress"', '"request"'):
        assert f'"kind":{kind}' in written, kind
    for secret in (FIRST, SECOND):
        assert secret not in written
        assert secret not in server.output()

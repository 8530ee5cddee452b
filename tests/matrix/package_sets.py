"""The sets of packages that the samples run on: sets/VERSION/package.json, and what is written differently on an older one."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness import npm
from harness.server import CHECKOUT, SAMPLES, copy_project

SETS = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class Rewrite:
    """What somebody with these packages writes instead. `old` stands in the file exactly once."""

    old: str
    new: str

    def apply(self, path: Path) -> None:
        text = path.read_text("utf-8")
        assert text.count(self.old) == 1, f"{path} has {text.count(self.old)} times {self.old!r}"
        path.write_text(text.replace(self.old, self.new), "utf-8")


@dataclass(frozen=True)
class PackageSet:
    """One column of the matrix."""

    agents: str
    """The version of `agents`; the others are in the set's package.json."""
    samples: dict[str, tuple[Rewrite, ...]]
    """By file, below sample_agents/."""
    clients: dict[str, tuple[Rewrite, ...]]
    """By file, below tests/journeys/node/."""

    @property
    def folder(self) -> Path:
        return CHECKOUT / "build" / f"matrix-{self.agents}"

    @property
    def modules(self) -> Path:
        return self.folder / "node_modules"

    async def install(self) -> None:
        """Once into build/. Raises CalledProcessError."""
        source = SETS / self.agents
        await asyncio.to_thread(npm.install, self.folder, source, [source / "package.json"])

    def write_clients(self, folder: Path) -> None:
        """The clients of the journeys, on these packages."""
        for client in npm.SOURCES.glob("*.mjs"):
            shutil.copy(client, folder)
        for name, rewrites in self.clients.items():
            for rewrite in rewrites:
                rewrite.apply(folder / name)
        (folder / "node_modules").symlink_to(self.modules, target_is_directory=True)

    def write_sample(self, sample: str, folder: Path) -> Path:
        """A copy of the sample in `folder`, as somebody with these packages would have written it."""
        copy = copy_project(SAMPLES / sample, folder / sample)
        for name, rewrites in self.samples.items():
            if name.startswith(f"{sample}/"):
                for rewrite in rewrites:
                    rewrite.apply(folder / name)
        return copy


AI_6 = {
    "chat_ts/src/index.ts": (
        Rewrite("isStepCount, streamText, toUIMessageStream }", "stepCountIs, streamText }"),
        Rewrite("stopWhen: isStepCount(5)", "stopWhen: stepCountIs(5)"),
        Rewrite("createUIMessageStreamResponse, ", ""),
        Rewrite("instructions:", "system:"),
        Rewrite('      toolApproval: { sendPostcard: "user-approval" },\n', ""),
        Rewrite(
            "createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: answer.stream, tools }) })",
            "answer.toUIMessageStreamResponse()",
        ),
    ),
    "chat_ts/src/tools.ts": (Rewrite('description: "Sends a postcard.",', 'description: "Sends a postcard.", needsApproval: true,'),),
    "ws_stream_ts/src/index.ts": (Rewrite("of answer.stream)", "of answer.fullStream)"),),
}
"""The names that `ai` 7 gave to what `ai` 6 has as well; a tool says itself that it needs approval."""

TRANSPORT_OF_THE_HOOK = {
    "tab.mjs": (
        Rewrite('"agents/chat/transport"', '"agents/chat/react"'),
        Rewrite('this.agent.addEventListener("open", () => this.transport.retryPendingResume());', ""),
    )
}
"""In 0.17 the transport has no entry point of its own, and does not ask again for a stream when the socket is back."""

NEWEST = PackageSet("0.32.0", samples={}, clients={})
BEFORE = PackageSet("0.24.0", samples={}, clients={})
STARTER = PackageSet("0.17.4", samples=AI_6, clients=TRANSPORT_OF_THE_HOOK)

ALL = (NEWEST, BEFORE, STARTER)
BY_DEFAULT = (NEWEST, STARTER)

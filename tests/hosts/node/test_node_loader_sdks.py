"""The real SDKs through the loader: `agents`, `@cloudflare/ai-chat`, `ai`, `openai` and zod, apart from user code and in one bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from node_project import NodeProject

SAMPLES = Path(__file__).parents[3] / "sample_agents"
USER = """
import { AIChatAgent } from "@cloudflare/ai-chat";
import { Agent, callable, routeAgentRequest } from "agents";
import { tool } from "ai";
import OpenAI, { APIError } from "openai";
import { z } from "zod";
import { zod as again } from "./tools";

export class Counter extends Agent<unknown, { n: number }> {
  initialState = { n: 0 };
  @callable() add(by: number) { return this.state.n + by; }
}
export class Chat extends AIChatAgent {
  async onChatMessage() { return new Response(""); }
}
const adding = tool({ inputSchema: z.object({ a: z.number() }), execute: async ({ a }) => a + 1 });

export default {
  async fetch(request: Request, env: unknown) {
    return Response.json({
      chain: [Object.getPrototypeOf(AIChatAgent) === Agent, Counter.name, Chat.name],
      tool: await adding.execute!({ a: 1 }, {} as never),
      zod: again === z && !z.string().safeParse(1).success,
      openai: new APIError(400, {}, "no", new Headers()) instanceof OpenAI.APIError,
      unrouted: await routeAgentRequest(request, env as never),
      hidden: (await import("agents")).Agent === Agent,
    });
  },
};
"""
ANSWER = {
    "chain": [True, "Counter", "Chat"],
    "tool": 2,
    "zod": True,
    "openai": True,
    "unrouted": None,
    "hidden": True,
}


@pytest.fixture
def sdk_project(real_project: NodeProject) -> NodeProject:
    return real_project.write({"src/index.ts": USER, "src/tools.ts": 'import { z } from "zod"; export { z as zod };'})


def test_real_agents_load_cold_and_in_a_spare(sdk_project: NodeProject) -> None:
    classes = {"Counter": "sqlite", "Chat": "sqlite"}
    bindings = [{"kind": "durable_object", "name": name.upper(), "class": name} for name in classes]
    told = sdk_project.load(classes=classes, bindings=bindings)
    assert json.loads(told["answer"]) == ANSWER, told
    assert {(one["name"], one["kind"]) for one in told["exports"]} == {
        ("Counter", "durable_object"),
        ("Chat", "durable_object"),
        ("default", "worker"),
    }
    assert (told["handlers"], told["warnings"]) == (["fetch"], [])
    assert sdk_project.answer(preload=told["modules"], classes=classes, bindings=bindings) == ANSWER
    assert (sdk_project.index["whole"], sdk_project.index["order"]) == (None, None)


def test_real_agents_in_one_bundle_are_the_same(sdk_project: NodeProject) -> None:
    sdk_project.write({"src/shim.ts": "(globalThis as any).shim = 1;", "src/index.ts": f'import "./shim";\n{USER}'})
    assert sdk_project.answer() == ANSWER
    assert sdk_project.index["order"] is not None


def test_an_error_in_the_sdk_names_its_file_and_the_users_line(real_project: NodeProject) -> None:
    real_project.write({"src/index.ts": 'import OpenAI from "openai";\n\nexport const client = new OpenAI({});\n'})
    error = real_project.error()
    assert error["where"] == "src/index.ts:3", error
    assert error["message"].startswith("src/index.ts does not load: Error: Missing credentials")
    assert "/node_modules/openai/" in error["stack"]


@pytest.mark.parametrize("sample", sorted(path.parent.name for path in SAMPLES.glob("*_[jt]s/wrangler.jsonc")))
def test_samples_load(real_project: NodeProject, sample: str) -> None:
    for path in (SAMPLES / sample).iterdir():
        if path.name != "node_modules":
            copy: Any = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, real_project.root / path.name)
    [main] = [path for path in (real_project.root / "src").iterdir() if path.stem in ("index", "server")]
    told = real_project.load(main=f"src/{main.name}")
    assert "error" not in told, told
    assert told["handlers"] == ["fetch"]
    assert told["warnings"] == []

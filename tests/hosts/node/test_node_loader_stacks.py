"""Stacks, names and places of code that was bundled are those of the user's files."""

from __future__ import annotations

import pytest
from node_project import NodeProject


def frames(stack: str, project: NodeProject) -> list[str]:
    """The frames in files of the project, which are named as seen from it."""
    return [line.strip().replace(f"{project.root}/", "") for line in stack.splitlines() if str(project.root) in line]


@pytest.fixture
def thrower(node_project: NodeProject) -> NodeProject:
    node_project.package(
        "lib",
        {
            "index.js": "export { Deep } from './deep.js';",
            "deep.js": "// a comment\nexport class Deep {\n  go() {\n    throw new RangeError('deep');\n  }\n}\n",
        },
    )
    return node_project.write(
        {
            "src/index.ts": """import { Deep } from "lib";
type Unused = string;
function logged(value: unknown, context: DecoratorContext) { return value as any; }

export class Chat {
  static named = Chat.name;
  @logged
  async reply(_question?: string): Promise<never> {
    await null;
    return new Deep().go() as never;
  }
}

export default {
  async fetch() {
    return Response.json(await new Chat().reply());
  },
};
"""
        }
    )


@pytest.mark.parametrize("kind", ["cold", "spare", "whole"])
def test_a_stack_names_lines_of_the_user_and_of_packages(thrower: NodeProject, kind: str) -> None:
    modules = thrower.load(classes={"Chat": "kv"})["modules"]
    if kind == "whole":
        text = (thrower.root / "src/index.ts").read_text()
        thrower.write({"src/index.ts": 'import "./shim"; ' + text, "src/shim.ts": "Object.assign(globalThis, { shim: 1 });"})
    told = thrower.load(preload=modules if kind == "spare" else None)
    assert frames(told["thrown"]["stack"], thrower) == [
        "at Deep.go (node_modules/lib/deep.js:4:11)",
        "at Chat.reply (src/index.ts:10:23)",
        "at async Object.fetch (src/index.ts:16:26)",
    ]
    assert told["thrown"]["where"] == f"{thrower.root}/src/index.ts:10"
    assert (thrower.index["order"] is not None) == (kind == "whole")


def test_names_that_the_bundle_had_to_change_are_kept(node_project: NodeProject) -> None:
    node_project.package("one", {"index.js": "export class Agent { kind() { return this.constructor.name; } }"})
    node_project.package(
        "two", {"index.js": "import { Agent as Base } from 'one'; export class Agent extends Base {}\nexport function fetch() {}"}
    )
    node_project.write(
        {
            "src/index.ts": """import { Agent as First } from "one"; import { Agent as Second, fetch } from "two";
const Agent = class Agent extends Second {};
const mark = (value: any) => value;
@mark
class Marked extends Agent { self = Marked }
const all = [First, Second, Agent, Marked];
export default { fetch() { return Response.json([...all.map((one) => new one().kind()), fetch.name]); } };
"""
        }
    )
    assert node_project.answer() == ["Agent", "Agent", "Agent", "Marked", "fetch"]


def test_libraries_may_look_at_raw_frames_for_a_moment(node_project: NodeProject) -> None:
    node_project.write(
        {
            "src/index.ts": """function caller(): string {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_, sites) => sites.map((site) => typeof site.getFileName()) as never;
  const { stack } = new Error();
  Error.prepareStackTrace = before;
  return (stack as never)[0];
}
export default { fetch() { return Response.json([caller(), new Error("after").stack?.includes("src/index.ts:8:")]); } };
"""
        }
    )
    assert node_project.answer() == ["string", True]

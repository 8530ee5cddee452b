"""Seeded randomness of the Node host: the same seed draws the same, from wherever user code and its packages draw."""

from __future__ import annotations

from typing import Any

from node_gateway import host
from node_project import NodeProject

SOURCE = """
import { DurableObject } from "cloudflare:workers";
import * as node from "node:crypto";
import { randomUUID, webcrypto } from "node:crypto";
import { promisify } from "node:util";
import { nanoid } from "nanoid";
import { captured } from "keeper";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

export class Box extends DurableObject {
  async fetch() {
    const [row] = this.ctx.storage.sql.exec("SELECT random() AS r, hex(randomblob(4)) AS b, typeof(random()) AS t").toArray() as any[];
    const form = new FormData();
    form.append("a", "b");
    const view = new Uint8Array(8);
    node.randomFillSync(view, 4, 2);
    const words = new Uint16Array(4);
    return Response.json({
      math: Math.random(), values: hex(crypto.getRandomValues(new Uint8Array(9))), uuid: crypto.randomUUID(),
      web: hex(webcrypto.getRandomValues(new Uint8Array(4))), node: randomUUID(), bytes: hex(node.randomBytes(7)),
      later: hex(await promisify(node.randomBytes)(5)), filled: hex(view),
      words: hex(new Uint8Array((await promisify(node.randomFill)(words) as any).buffer)),
      integer: node.randomInt(1_000_000_000), between: node.randomInt(-5_000_000, 5_000_000),
      asked: await (promisify(node.randomInt) as any)(1_000_000_000), nanoid: nanoid(), captured: captured(),
      id: String(this.env.BOX.newUniqueId()), sql: [row.r, row.b, row.t], boundary: new Response(form).headers.get("content-type"),
      many: Array.from({ length: 3 }, () => Math.random()),
    });
  }
}

export default { fetch: (request: Request, env: any) => env.BOX.getByName("a").fetch(request) };
"""
KEEPER = """
const { random } = Math;
const uuid = crypto.randomUUID.bind(crypto);
const values = crypto.getRandomValues.bind(crypto);
export const captured = () => [random(), uuid(), ...values(new Uint8Array(3))];
"""
ALWAYS_PLAIN = {"t"}


def project(node_project: NodeProject) -> NodeProject:
    nanoid = node_project.root / "node_modules" / "nanoid"
    if not nanoid.exists():
        nanoid.symlink_to((node_project.root / "node_modules" / "esbuild").resolve().parent / "nanoid")
    return node_project.write({"src/main.ts": SOURCE}).package("keeper", {"index.js": KEEPER})


async def drawn(node_project: NodeProject, seed: int | None, *, pings: int = 0, modules: list[str] | None = None) -> Any:
    (node_project.root / "link.sock").unlink(missing_ok=True)
    async with host(node_project.root, node_project.node, seed=seed) as gateway:
        for _ in range(pings):
            await gateway.clock()
        return [await gateway.fetch("/"), await gateway.fetch("/")]


async def test_a_seed_repeats_everything_that_user_code_draws(node_project: NodeProject) -> None:
    project(node_project)
    # The first process builds the packages, the second finds them built and imports them ahead of LOAD.
    first = await drawn(node_project, 42)
    again = await drawn(node_project, 42, pings=3)
    assert first == again
    once, twice = first
    assert not {name for name in once if once[name] == twice[name]}
    assert once["filled"].startswith("00000000") and once["filled"].endswith("0000")
    assert once["uuid"][14] == "4" and once["uuid"][19] in "89ab" and len(once["uuid"]) == 36
    assert once["sql"][2] == "integer"
    assert 0 <= once["integer"] < 10**9 and -5_000_000 <= once["between"] < 5_000_000
    assert all(0 <= number < 1 for number in once["many"])


async def test_another_seed_and_none_draw_something_else(node_project: NodeProject) -> None:
    project(node_project)
    one, other, none, again = [(await drawn(node_project, seed))[0] for seed in (42, 43, None, None)]
    for left, right in ((one, other), (none, again), (one, none)):
        assert not {name for name in left if left[name] == right[name]}

"""What user code may look like: it is built as wrangler builds it, and evaluated as in one bundle (node-host.md 3)."""

from __future__ import annotations

import base64
import json

import pytest
from node_project import NodeProject

ADD_WASM = base64.b64decode("AGFzbQEAAAABBwFgAn9/AX8DAgEABwcBA2FkZAAACgkBBwAgACABags=")


def answering(value: str, before: str = "") -> str:
    return f"{before}\nexport default {{ async fetch(request, env) {{ return Response.json({value}); }} }};"


def test_classes_handlers_and_entrypoints_are_told_apart(node_project: NodeProject) -> None:
    node_project.write(
        {
            "src/index.ts": """
                import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";
                export class Room extends DurableObject<unknown> { async alarm() {} }
                export class Plain { fetch() { return new Response("plain"); } }
                class Base extends DurableObject {}
                export class Derived extends Base {}
                export class Admin extends WorkerEntrypoint { ping() { return "pong"; } }
                export class Flow extends WorkflowEntrypoint { async run() {} }
                export const second = { async fetch() { return new Response("second"); } };
                export class Helper {}
                export default class extends WorkerEntrypoint { async fetch() { return new Response("ok"); } async scheduled() {} }
            """
        }
    )
    told = node_project.load(classes={"Plain": "kv", "Room": "sqlite"})
    kinds = {(one["name"], one["kind"], one["alarm"]) for one in told["exports"]}
    assert kinds == {
        ("Room", "durable_object", True),
        ("Plain", "durable_object", False),
        ("Derived", "durable_object", False),
        ("default", "worker", False),
        ("Admin", "worker", False),
        ("second", "worker", False),
        ("Flow", "workflow", False),
    }
    assert told["handlers"] == ["fetch", "scheduled"]
    assert set(told["objects"]) == {"Room", "Plain", "Derived", "Helper"}
    assert told["warnings"] == []


def test_no_default_export_and_top_level_await_are_fine(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": "export class A { static ready = true }\nawait Promise.resolve();"})
    told = node_project.load(classes={"A": "kv"})
    assert [one["name"] for one in told["exports"]] == ["A"]
    assert told["handlers"] == []


def test_decorators_jsx_paths_aliases_and_definitions(node_project: NodeProject) -> None:
    node_project.write(
        {
            "tsconfig.json": """{
                // comments are allowed
                "compilerOptions": { "paths": { "@/*": ["./src/*"] }, "jsx": "react", "jsxFactory": "h", "target": "es2020" },
            }""",
            "src/lib/said.ts": "export const said: string = 'by a path';",
            "src/view.tsx": "const h = (name: string, props: object) => ({ name, props });\nexport const view = <b title='t' />;",
            "src/stand-in.ts": "export default 'the alias';",
            "src/plain.js": "export const h = (name) => name;\nexport const view = <i />;",
            "src/index.ts": """
                import { said } from "@/lib/said";
                import { view } from "./view";
                import { view as plain } from "./plain.js";
                import real from "some-package";
                declare const VERSION: string;
                function twice(method: () => number) { return function () { return 2 * method.call(this); }; }
                class Box { #n = 21; @twice answer() { return this.#n; } static made = Box.name; }
                export default { fetch() { return Response.json({
                    said, view, plain, real, version: VERSION, answer: new Box().answer(), made: Box.made, mode: process.env.NODE_ENV,
                    agent: navigator.userAgent, url: import.meta.url ?? null,
                }); } };
            """,
        }
    )
    bundle = {"alias": {"some-package": "./src/stand-in.ts"}, "define": {"VERSION": '"1.2"'}}
    assert node_project.answer(bundle=bundle) == {
        "said": "by a path",
        "view": {"name": "b", "props": {"title": "t"}},
        "plain": "i",
        "real": "the alias",
        "version": "1.2",
        "answer": 42,
        "made": "Box",
        "mode": "development",
        "agent": "Cloudflare-Workers",
        "url": None,
    }


def test_files_are_modules_as_wranglers_rules_say(node_project: NodeProject) -> None:
    node_project.write(
        {
            "src/page.html": "<p>",
            "src/words.txt": "words",
            "src/schema.sql": "SELECT 1",
            "src/notes.md": "# notes",
            "src/bytes.bin": bytes([1, 2, 255]),
            "src/add.wasm": ADD_WASM,
            "src/data.json": '{"deep": {"n": 1}}',
            "src/index.ts": answering(
                "{ page, words, schema, notes, bytes: [bytes instanceof ArrayBuffer, ...new Uint8Array(bytes)], n: deep.n,"
                " sum: new WebAssembly.Instance(add).exports.add(2, 3), "
                " same: [add, again].every((one) => one instanceof WebAssembly.Module) }",
                """import page from "./page.html"; import words from "./words.txt"; import schema from "./schema.sql";
                import notes from "./notes.md"; import bytes from "./bytes.bin"; import add from "./add.wasm";
                import again from "./add.wasm?module";
                import { deep } from "./data.json";""",
            ),
        }
    )
    rules = [{"type": "Text", "globs": ["**/*.md"], "fallthrough": True}]
    assert node_project.answer(bundle={"rules": rules}) == {
        "page": "<p>",
        "words": "words",
        "schema": "SELECT 1",
        "notes": "# notes",
        "bytes": [True, 1, 2, 255],
        "n": 1,
        "sum": 5,
        "same": True,
    }


def test_a_rule_without_fallthrough_hides_the_defaults_of_its_type(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": answering("words", 'import words from "./words.txt";'), "src/words.txt": "words"})
    error = node_project.error(bundle={"rules": [{"type": "Text", "globs": ["**/*.md"]}]})
    assert "was ignored because a previous rule with the same type was not marked as `fallthrough = true`" in error["message"]


@pytest.mark.parametrize("preloaded", [False, True])
def test_common_js_packages_look_as_in_one_bundle(node_project: NodeProject, preloaded: bool) -> None:
    node_project.package("old", {"index.js": "exports.one = 1; exports.two = () => exports.one * 2;"}, type="commonjs")
    node_project.package(
        "babel",
        {"index.js": "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 'inner'; exports.x = 1;"},
        type="commonjs",
    )
    node_project.package(
        "func", {"index.js": "module.exports = function named() { return 'called'; }; module.exports.extra = 3;"}, type="commonjs"
    )
    node_project.package("fresh", {"index.js": "export default 'es'; export const y = 2;"})
    node_project.package(
        "builtin-user", {"index.js": "const { join } = require('path'); exports.joined = join('a', 'b');"}, type="commonjs"
    )
    node_project.write(
        {
            "src/legacy.cjs": """const { one } = require('old');
                const { default: fresh, y } = require('fresh');
                module.exports = { one, fresh, y };""",
            "src/loose/package.json": '{"type": "commonjs"}',
            "src/loose/babel.ts": "import inner from 'babel'; export { inner };",
            "src/index.ts": answering(
                "{ one, two: two(), old: Object.keys(old), star: star.two(), babel, x, func: func(), extra, legacy, inner, joined }",
                """import old, { one, two } from "old"; import * as star from "old"; import babel, { x } from "babel";
                import func, { extra } from "func"; import legacy from "./legacy.cjs"; import { inner } from "./loose/babel";
                import { joined } from "builtin-user";""",
            ),
        }
    )
    modules = node_project.load()["modules"]
    assert node_project.answer(preload=modules if preloaded else None) == {
        "one": 1,
        "two": 2,
        "old": ["one", "two"],
        "star": 2,
        "babel": {"default": "inner", "x": 1},
        "x": 1,
        "func": "called",
        "extra": 3,
        "legacy": {"one": 1, "fresh": "es", "y": 2},
        "inner": "inner",
        "joined": "a/b",
    }
    assert len(node_project.prebuilt) == 1


def test_every_module_of_a_package_exists_once(node_project: NodeProject) -> None:
    node_project.package(
        "core",
        {
            "index.js": "export { State } from './state.js'; export let count = 0; export const add = () => ++count;",
            "state.js": "export class State {}",
        },
    )
    node_project.package(
        "plugin",
        {"index.js": "import { State, add } from 'core'; add(); export const made = new State();", "deep.js": "export * from 'core';"},
    )
    node_project.write(
        {
            "src/other.ts": "import { State } from 'core/state.js'; export { State as Deep };",
            "src/index.ts": answering(
                "{ same: made instanceof State && State === Deep && State === Again, count, lazy: (await import('core')).State === State }",
                'import { State, count } from "core"; import { made } from "plugin"; import { Deep } from "./other";'
                ' import { State as Again } from "plugin/deep.js";',
            ),
        }
    )
    assert node_project.answer() == {"same": True, "count": 1, "lazy": True}


def test_conditions_browser_fields_and_subpaths_are_the_platforms(node_project: NodeProject) -> None:
    node_project.package(
        "many",
        {
            "w.js": "export default 'workerd';",
            "n.js": "export default 'node';",
            "d.js": "export default 'default';",
            "sub/x.js": "export default 'x';",
        },
        exports={".": {"node": "./n.js", "workerd": "./w.js", "default": "./d.js"}, "./sub/*": "./sub/*.js"},
    )
    node_project.package(
        "swapped",
        {
            "index.js": "export { default } from './a.js'; import f from './gone.js'; export const gone = Object.keys(f).length;",
            "a.js": "export default 'a';",
            "b.js": "export default 'b';",
            "gone.js": "export default { x: 1 };",
        },
        browser={"./a.js": "./b.js", "./gone.js": False},
    )
    node_project.write(
        {
            "src/index.ts": answering(
                "[many, x, swapped, gone]", 'import many from "many"; import x from "many/sub/x"; import swapped, { gone } from "swapped";'
            )
        }
    )
    assert node_project.answer() == ["workerd", "x", "b", 0]


def test_names_that_only_run_time_knows_can_be_imported(node_project: NodeProject) -> None:
    node_project.package("impl", {"index.js": "for (const name of ['red', 'blue']) exports[name] = name;"}, type="commonjs")
    node_project.package(
        "colours",
        {
            "index.js": "export * from './list.js'; export const own = 'own';",
            "list.js": "export * from 'impl'; export * from 'cloudflare:workers';",
        },
    )
    node_project.write(
        {
            "src/index.ts": answering(
                "{ own, red, blue: all.blue, base: typeof DurableObject }",
                'import * as all from "colours"; import { own, red, DurableObject } from "colours";',
            )
        }
    )
    assert node_project.answer() == {"own": "own", "red": "red", "blue": "blue", "base": "function"}
    assert node_project.index["whole"] is None


def test_dynamic_imports_wait_until_they_are_asked_for(node_project: NodeProject) -> None:
    node_project.package("diary", {"index.js": "export const lines = [];"})
    node_project.package("late", {"index.js": "import { lines } from 'diary'; lines.push('late'); export const late = 1;"})
    node_project.write(
        {
            "src/lazy.ts": "import { late } from 'late'; import { lines } from 'diary'; lines.push('lazy'); export const lazy = late;",
            "src/index.ts": answering(
                "{ before: [...lines], lazy: (await import('./lazy')).lazy, late: (await import('late')).late, after: lines }",
                'import { lines } from "diary";',
            ),
        }
    )
    modules = node_project.load()["modules"]
    assert node_project.answer(preload=modules) == {"before": [], "lazy": 1, "late": 1, "after": ["late", "lazy"]}
    assert node_project.index["order"] is None


def test_globals_that_user_code_changes_first_are_there_for_packages(node_project: NodeProject) -> None:
    node_project.package("reader", {"index.js": "export const seen = globalThis.shim ?? 'nothing';"})
    node_project.write(
        {
            "src/shim.ts": "(globalThis as any).shim = 'shim';",
            "src/index.ts": answering("seen", 'import "./shim"; import { seen } from "reader";'),
        }
    )
    told = node_project.load()
    assert json.loads(told["answer"]) == "shim"
    assert node_project.answer(preload=told["modules"]) == "shim"
    assert node_project.index["order"] == "src/shim.ts changes globals before packages are imported"
    node_project.write({"src/shim.ts": ""})
    assert node_project.answer(preload=told["modules"]) == "nothing"
    assert node_project.index["order"] is None


def test_packages_that_fail_apart_are_evaluated_in_one_bundle(node_project: NodeProject) -> None:
    node_project.package(
        "ordered",
        {
            "a.js": "import './setup.js'; import './shared.js'; export const a = 'a';",
            "b.js": "import { shared } from './shared.js'; export const b = shared;",
            "setup.js": "globalThis.isSetUp = true;",
            "shared.js": "if (!globalThis.isSetUp) throw new Error('too early'); export const shared = 'shared';",
        },
    )
    node_project.write({"src/index.ts": answering("a + b", 'import { a } from "ordered/a.js"; import { b } from "ordered/b.js";')})
    told = node_project.load()
    assert json.loads(told["answer"]) == "ashared"
    assert "too early" in node_project.index["whole"]
    assert node_project.answer(preload=told["modules"]) == "ashared"


def test_linked_packages_are_user_code(node_project: NodeProject) -> None:
    shared = node_project.root.parent / "shared"
    shared.mkdir()
    (shared / "package.json").write_text('{"name": "shared", "type": "module", "main": "index.ts"}')
    (shared / "index.ts").write_text("import { core } from 'core'; export const shared: string = 'linked with ' + core;")
    (node_project.root / "node_modules" / "shared").symlink_to(shared)
    (shared / "node_modules").symlink_to(node_project.root / "node_modules")
    node_project.package("core", {"index.js": "export const core = 'core';"})
    node_project.write({"src/index.ts": answering("shared", 'import { shared } from "shared";')})
    told = node_project.load()
    assert json.loads(told["answer"]) == "linked with core"
    assert str(shared / "index.ts") in told["inputs"]
    built = node_project.prebuilt
    (shared / "index.ts").write_text("export const shared = 'changed';")
    assert node_project.answer(preload=told["modules"]) == "changed"
    assert node_project.prebuilt == built


def test_packages_that_import_user_code_are_in_one_bundle_with_it(node_project: NodeProject) -> None:
    node_project.package("framework", {"index.js": "import { config } from 'app-config'; export const seen = config;"})
    node_project.write(
        {
            "src/config.ts": "export const config = { on: true };",
            "src/index.ts": answering(
                "{ same: seen === config, ...config }", 'import { seen } from "framework"; import { config } from "./config";'
            ),
        }
    )
    bundle = {"alias": {"app-config": "./src/config.ts"}}
    told = node_project.load(bundle=bundle)
    assert json.loads(told["answer"]) == {"same": True, "on": True}
    assert node_project.index["whole"] == "node_modules/framework/index.js imports src/config.ts"
    node_project.write({"src/config.ts": "export const config = { on: false };"})
    assert node_project.answer(bundle=bundle, preload=told["modules"]) == {"same": True, "on": False}


def test_what_vite_means_by_its_words_where_it_builds_the_worker(node_project: NodeProject) -> None:
    user = answering("{ dev: import.meta.env.DEV, mode: import.meta.env.MODE, raw }", 'import raw from "./code.ts?raw";')
    node_project.write({"vite.config.ts": "", "src/code.ts": "export const x = 1;", "src/index.ts": user})
    told = node_project.load()
    assert json.loads(told["answer"]) == {"dev": True, "mode": "development", "raw": "export const x = 1;"}
    assert str(node_project.root / "src/code.ts") in told["inputs"]

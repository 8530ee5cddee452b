"""User code that does not build or load: what is said of it, with the user's place and the next step (docs/errors.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from node_project import NodeProject

FINE = "export default { fetch() { return new Response('ok'); } };"


def said(error: dict[str, Any]) -> tuple[Any, ...]:
    return error["code"], error["message"], error.get("where"), error.get("hint")


def test_a_syntax_error_has_its_line_and_the_code_around_it(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": f"import './part';\n{FINE}", "src/part.ts": "export const fine = 1;\nconst broken = 1 +* 2;\n"})
    error = node_project.error()
    assert said(error) == ("E424", 'src/index.ts does not build: Unexpected "*"', "src/part.ts:2", None)
    assert "const broken = 1 +* 2;" in error["stack"]
    assert error["name"] == "UserCodeError"


def test_several_errors_are_counted_and_all_are_shown(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": f"import './a';\nimport './b';\n{FINE}"})
    error = node_project.error()
    assert said(error) == (
        "E424",
        'src/index.ts does not build: Could not resolve "./a" (and 1 more)',
        "src/index.ts:1",
        "there is no such file: correct the path",
    )
    assert 'Could not resolve "./b"' in error["stack"]
    assert "external" not in error["stack"]


@pytest.mark.parametrize(
    ("specifier", "hint"),
    [
        ("left-pad", "npm install left-pad"),
        ("@scope/thing/deep", "npm install @scope/thing"),
        ("declared/sub", "npm install   (package.json names it, and it is not installed)"),
        ("@/lib/x", 'correct the import, or say in tsconfig.json ("paths") or "alias" of the wrangler file what it means'),
    ],
)
def test_a_missing_dependency_says_what_to_type(node_project: NodeProject, specifier: str, hint: str) -> None:
    node_project.write({"package.json": json.dumps({"dependencies": {"declared": "1"}}), "src/index.ts": f"import '{specifier}';\n{FINE}"})
    assert said(node_project.error()) == ("E424", f'src/index.ts does not build: Could not resolve "{specifier}"', "src/index.ts:1", hint)


def test_the_projects_own_package_manager_is_named(node_project: NodeProject) -> None:
    node_project.write({"pnpm-lock.yaml": "", "src/index.ts": "import 'left-pad';"})
    assert node_project.error()["hint"] == "pnpm add left-pad"


def test_a_dependency_that_a_package_misses_is_named_too(node_project: NodeProject) -> None:
    node_project.package("needy", {"index.js": "import 'peer-of-needy';"}).write({"src/index.ts": f"import 'needy';\n{FINE}"})
    assert said(node_project.error()) == (
        "E424",
        'src/index.ts does not build: Could not resolve "peer-of-needy"',
        "node_modules/needy/index.js:1",
        "npm install peer-of-needy",
    )


def test_an_export_that_a_package_does_not_have(node_project: NodeProject) -> None:
    node_project.package("small", {"index.js": "export const there = 1;"})
    node_project.write({"src/index.ts": f"import {{ there, gone }} from 'small';\nconsole.log(there, gone);\n{FINE}"})
    for _ in range(2):  # with packages to be built, and built
        assert said(node_project.error()) == (
            "E424",
            'src/index.ts does not build: No matching export in "node_modules/small/index.js" for import "gone"',
            "src/index.ts:1",
            None,
        )


def test_modules_of_the_platform_that_are_not_there(node_project: NodeProject) -> None:
    node_project.write(
        {"src/index.ts": f"import './part';\n{FINE}", "src/part.ts": "// one\nimport { env } from 'cloudflare:test';\nconsole.log(env);"}
    )
    error = node_project.error()
    assert said(error)[:3] == ("E424", 'src/index.ts does not load: Error: No such module "cloudflare:test".', "src/part.ts:2")
    assert "@cloudflare/vitest-pool-workers" in error["hint"]
    node_project.write({"src/part.ts": "import { br } from 'cloudflare:br';\nconsole.log(br);"})
    assert "agents-emu does not emulate it" in node_project.error()["hint"]


def test_an_export_that_the_platforms_module_does_not_have(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": f"import {{ nope }} from 'cloudflare:workers';\nconsole.log(nope);\n{FINE}"})
    assert said(node_project.error())[1:3] == (
        "src/index.ts does not load: SyntaxError: The requested module 'cloudflare:workers' does not provide an export named 'nope'",
        "src/index.ts:1",
    )


def test_nodes_modules_need_nodejs_compat(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": f"import {{ join }} from 'node:path';\nconsole.log(join);\n{FINE}"})
    hint = 'add "nodejs_compat" to "compatibility_flags" in the wrangler file: it is a module of Node'
    wanted = ("E424", 'src/index.ts does not load: Error: No such module "node:path".', "src/index.ts:1", hint)
    assert said(node_project.error(flags={})) == wanted
    assert "answer" in node_project.load()
    node_project.write({"src/index.ts": f"import {{ join }} from 'path';\nconsole.log(join);\n{FINE}"})
    assert said(node_project.error(flags={})) == (
        "E424",
        'src/index.ts does not build: Could not resolve "path"',
        "src/index.ts:1",
        hint,
    )
    node_project.package("path", {"index.js": "export const join = 'a package';"})
    assert "answer" in node_project.load(flags={})


def test_what_is_thrown_at_module_level_has_the_users_line(node_project: NodeProject) -> None:
    node_project.package("thrower", {"index.js": "export function fail(why) {\n  throw new TypeError(why);\n}"})
    node_project.write(
        {
            "src/index.ts": f"import {{ setUp }} from './set-up';\n\nsetUp();\n{FINE}",
            "src/set-up.ts": """import { fail } from "thrower";
interface Gone { a: 1 }

export function setUp(): void {
  fail("not today");
}""",
        }
    )
    error = node_project.error()
    assert said(error) == ("E424", "src/index.ts does not load: TypeError: not today", "src/set-up.ts:5", None)
    assert f"{node_project.root}/src/index.ts:3:1" in error["stack"]
    assert f"{node_project.root}/node_modules/thrower/index.js:2:9" in error["stack"]
    # That a package threw is no reason to build it with user code for ever.
    assert node_project.index["whole"] is None


def test_what_is_thrown_need_not_be_an_error(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": "throw 'a word';"})
    assert said(node_project.error())[:3] == ("E424", "src/index.ts does not load: it threw a word", "src/index.ts")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("5", "Incorrect type for map entry 'LIMIT': the provided value is not of type 'function or ExportedHandler'."),
        ("null", "Cannot initialize ExportedHandler with required members from an undefined or null value."),
    ],
)
def test_exports_that_the_platform_refuses(node_project: NodeProject, value: str, words: str) -> None:
    node_project.write({"src/index.ts": f"export const LIMIT = {value};\n{FINE}"})
    error = node_project.error()
    assert said(error)[:3] == ("E424", f"src/index.ts does not load: TypeError: {words}", "src/index.ts")
    assert 'export "LIMIT" from another file' in error["hint"]


def test_a_main_that_exports_nothing(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": "console.log('a Service Worker');"})
    error = node_project.error()
    assert said(error)[:3] == ("E424", "src/index.ts does not load: it exports nothing", "src/index.ts")
    assert "export default" in error["hint"]


def test_a_bound_class_that_is_not_exported(node_project: NodeProject) -> None:
    node_project.write(
        {"src/index.ts": f"import {{ DurableObject }} from 'cloudflare:workers';\nexport class Counter extends DurableObject {{}}\n{FINE}"}
    )
    bindings = [{"kind": "durable_object", "name": "ROOMS", "class": "Countr"}]
    message = 'the binding "ROOMS" names the class "Countr", which src/index.ts does not export'
    assert said(node_project.error(bindings=bindings)) == ("E423", message, "src/index.ts", 'did you mean "Counter"?')
    bindings[0]["class"] = "Elsewhere"
    hint = "it exports Counter; export Elsewhere, or change class_name"
    assert node_project.error(bindings=bindings)["hint"] == hint
    told = node_project.load(classes={"Counter": "sqlite", "Old": "sqlite"})
    assert told["warnings"] == ['the migrations have the class "Old", which src/index.ts does not export: a deploy would be refused']


def test_a_main_that_is_not_there(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": FINE})
    assert said(node_project.error(main="src/indx.ts")) == (
        "E421",
        'main is "src/indx.ts", and there is no such file',
        "src/indx.ts",
        'did you mean "src/index.ts"?',
    )


def test_a_project_without_esbuild_is_told_what_brings_one(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": FINE})
    (node_project.root / "node_modules" / "esbuild").unlink()
    error = node_project.error()
    assert (error["code"], error["hint"]) == ("E425", "npm install --save-dev wrangler   (it brings esbuild)")
    node_project.write({"package.json": json.dumps({"devDependencies": {"wrangler": "4"}})})
    assert node_project.error()["hint"] == "npm install   (package.json names wrangler, which brings it)"


def test_an_esbuild_for_another_machine_is_told(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": FINE})
    (node_project.root / "node_modules" / "esbuild").unlink()
    said_by_it = "You installed esbuild for another platform than the one you're currently using."
    main = f"exports.context = async () => {{ throw new Error({said_by_it!r} + '\\nmore'); }}; exports.stop = () => {{}};"
    node_project.package("esbuild", {"lib/main.js": main}, type="commonjs", main="lib/main.js", version="0.28.2")
    assert said(node_project.error()) == (
        "E425",
        f"the project's esbuild does not run: {said_by_it}",
        "package.json",
        "rm -r node_modules, then npm install",
    )


def test_packages_of_yarns_plug_and_play_are_told_of(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": FINE, ".pnp.cjs": ""})
    (node_project.root / "node_modules" / "esbuild").unlink()
    assert node_project.error()["hint"] == 'set "nodeLinker: node-modules" in .yarnrc.yml, then yarn install'


def test_an_esbuild_too_old_for_decorators_is_not_taken(node_project: NodeProject, real_packages: Any) -> None:
    node_project.write({"src/index.ts": FINE})
    (node_project.root / "node_modules" / "esbuild").unlink()
    node_project.package("esbuild", {"lib/main.js": ""}, type="commonjs", main="lib/main.js", version="0.17.19")
    error = node_project.error()
    assert (error["code"], error["message"]) == ("E425", "the project's esbuild is 0.17.19, and decorators need 0.21.0 or newer")
    # The one that vite brings does.
    node_project.package("vite", {"index.js": ""})
    nested = node_project.root / "node_modules" / "vite" / "node_modules"
    nested.mkdir()
    (nested / "esbuild").symlink_to(real_packages / "esbuild")
    assert "answer" in node_project.load()


def test_warnings_of_the_build_are_told(node_project: NodeProject) -> None:
    node_project.write({"src/index.ts": f"console.log({{ a: 1, a: 2 }});\n{FINE}"})
    assert node_project.load()["warnings"] == ['src/index.ts:1 Duplicate key "a" in object literal']


def test_two_copies_of_agents_are_told(node_project: NodeProject) -> None:
    node_project.package("agents", {"index.js": "export class Agent {}"})
    node_project.package("chat-kit", {"index.js": "export { Agent as ChatAgent } from 'agents';"})
    node_project.package("chat-kit/node_modules/agents", {"index.js": "export class Agent {}"})
    node_project.write(
        {
            "src/index.ts": f"export {{ Agent }} from 'agents';\nexport {{ ChatAgent }} from 'chat-kit';\n{FINE}",
        }
    )
    wanted = [
        'the project has two copies of "agents", in node_modules/agents and node_modules/chat-kit/node_modules/agents:'
        " an agent of one is unknown to the other (npm dedupe, or npm ls agents)"
    ]
    assert [node_project.load()["warnings"] for _ in range(2)] == [wanted, wanted]

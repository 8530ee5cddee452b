"""Loading again: what is built once and what each time, what makes it stale, and what a spare process has ready."""

from __future__ import annotations

import os
from pathlib import Path

from node_project import NodeProject

PACKAGE = {"index.js": "export const version = 1;"}
USER = "import { version } from 'lib';\nexport default { fetch() { return Response.json(['code A', version]); } };"


def test_packages_are_built_once_and_user_code_each_time(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE).write({"src/index.ts": USER})
    assert node_project.answer() == ["code A", 1]
    folder = node_project.root / ".agents-emu" / "node" / node_project.prebuilt[0]
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    node_project.write({"src/index.ts": USER.replace("code A", "code B")})
    assert node_project.answer() == ["code B", 1]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_save_after_preload_is_what_loads(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE).write({"src/index.ts": USER})
    modules = node_project.load()["modules"]
    assert node_project.answer(preload=modules, then={"src/index.ts": USER.replace("code A", "code B")}) == ["code B", 1]
    error = node_project.error(preload=modules, then={"src/index.ts": "import './gone';"})
    assert error["message"] == 'src/index.ts does not build: Could not resolve "./gone"'


def test_packages_that_changed_are_built_again(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE).write({"src/index.ts": USER})
    modules = node_project.load()["modules"]
    change = {"node_modules/lib/index.js": "export const version = 2;"}
    # Package managers set times back: that must not hide a change of the same size.
    path = node_project.root / "node_modules/lib/index.js"
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    node_project.write(change)
    os.utime(path, ns=times)
    assert node_project.answer(preload=modules) == ["code A", 2]
    assert node_project.answer(preload=modules, then={"node_modules/lib/index.js": "export const version = 3;"}) == ["code A", 3]


def test_a_lock_file_that_changed_lets_imports_be_found_anew(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE).write({"src/index.ts": USER})
    parent = node_project.root.parent
    above = {"package.json": '{"name": "app", "type": "module"}', "src/index.ts": USER}
    inner = node_project.root / "apps" / "one"
    for name, text in above.items():
        (inner / name).parent.mkdir(parents=True, exist_ok=True)
        (inner / name).write_text(text)
    assert node_project.answer(root=str(inner)) == ["code A", 1]
    # An install brings a copy of its own: no file that went in has changed, only the lock file of the folder above.
    copy = inner / "node_modules" / "lib"
    copy.mkdir(parents=True)
    (copy / "package.json").write_text('{"name": "lib", "type": "module", "main": "index.js"}')
    (copy / "index.js").write_text("export const version = 'inner';")
    (parent / "project" / "package-lock.json").write_text("{}")
    told = node_project.load(root=str(inner))
    assert told["answer"] == '["code A","inner"]'
    assert str(node_project.root / "package-lock.json") in told["inputs"]


def test_a_new_import_adds_to_the_packages_and_old_ones_are_swept(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE).package("more", {"index.js": "export const more = 'more';"}).write({"src/index.ts": USER})
    modules = node_project.load()["modules"]
    first = node_project.prebuilt
    added = USER.replace("'lib';", "'lib'; import { more } from 'more';").replace("version]", "version, more]")
    assert node_project.answer(preload=modules, then={"src/index.ts": added}) == ["code A", 1, "more"]
    # The folder before stays, a host may still run from it; the one before that goes.
    assert len(node_project.prebuilt) == 2
    assert set(first) < set(node_project.prebuilt)
    node_project.write({"node_modules/lib/index.js": "export const version = 22;"})
    assert node_project.answer() == ["code A", 22, "more"]
    assert len(node_project.prebuilt) == 2
    assert not set(first) & set(node_project.prebuilt)


def test_other_options_have_packages_of_their_own(node_project: NodeProject) -> None:
    node_project.package("lib", {"index.js": "export const version = FLAVOUR;"}).write({"src/index.ts": USER})
    assert node_project.answer(bundle={"define": {"FLAVOUR": '"a"'}}) == ["code A", "a"]
    assert node_project.answer(bundle={"define": {"FLAVOUR": '"b"'}}) == ["code A", "b"]
    assert len(node_project.prebuilt) == 2


def test_a_preload_that_cannot_be_done_harms_nothing(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE).write({"src/index.ts": USER})
    modules = node_project.load()["modules"]
    assert node_project.answer(preload=[]) == ["code A", 1]
    assert node_project.answer(preload=["/nowhere/index.json"]) == ["code A", 1]
    index = node_project.root / ".agents-emu" / "node" / os.path.basename(modules[0])
    index.write_text("{")
    assert node_project.answer(preload=modules) == ["code A", 1]


def test_packages_whose_evaluation_fails_in_a_spare_fail_again_where_they_are_imported(node_project: NodeProject) -> None:
    node_project.package("lib", {"index.js": "export const version = 1;"}).write({"src/index.ts": USER})
    modules = node_project.load()["modules"]
    node_project.write({"node_modules/lib/index.js": "export const version = 1;\nthrow new Error('not here');"})
    error = node_project.error(preload=modules)
    assert (error["message"], error["where"]) == ("src/index.ts does not load: Error: not here", "node_modules/lib/index.js:2")


def test_inputs_are_the_files_whose_change_matters(node_project: NodeProject) -> None:
    node_project.package("lib", PACKAGE)
    node_project.write(
        {
            "tsconfig.json": "{}",
            "src/words.txt": "words",
            "src/types.ts": "export interface Gone { a: 1 }",
            "src/unused.ts": "",
            "src/index.ts": f"import words from './words.txt'; import type {{ Gone }} from './types';\nconsole.log(words);\n{USER}",
        }
    )
    inputs = {os.path.relpath(path, node_project.root) for path in node_project.load()["inputs"]}
    assert inputs == {"src/index.ts", "src/words.txt", "tsconfig.json", "package.json"}


def test_packages_in_a_store_behind_links_are_packages(node_project: NodeProject, real_packages: Path) -> None:
    """As pnpm lays them out: only what the project names is at the top, the rest stands beside each package in the store."""
    (node_project.root / "node_modules" / "esbuild").unlink()
    store = "node_modules/.pnpm"
    node_project.write(
        {
            f"{store}/wrangler@4/node_modules/wrangler/package.json": '{"name": "wrangler"}',
            f"{store}/core@1/node_modules/core/package.json": '{"name": "core", "type": "module", "main": "index.js"}',
            f"{store}/core@1/node_modules/core/index.js": "export class Core {}",
            f"{store}/lib@1/node_modules/lib/package.json": '{"name": "lib", "type": "module", "main": "index.js"}',
            f"{store}/lib@1/node_modules/lib/index.js": "import { Core } from 'core'; export const made = new Core();",
            "src/index.ts": "import { made } from 'lib'; import { Core } from 'core';\n"
            "export default { fetch() { return Response.json(made instanceof Core); } };",
        }
    )
    for link, target in {
        "node_modules/wrangler": f"{store}/wrangler@4/node_modules/wrangler",
        "node_modules/core": f"{store}/core@1/node_modules/core",
        "node_modules/lib": f"{store}/lib@1/node_modules/lib",
        f"{store}/lib@1/node_modules/core": f"{store}/core@1/node_modules/core",
    }.items():
        (node_project.root / link).symlink_to(node_project.root / target)
    (node_project.root / store / "wrangler@4/node_modules/esbuild").symlink_to(real_packages / "esbuild")
    assert node_project.answer() is True
    assert len(node_project.prebuilt) == 1

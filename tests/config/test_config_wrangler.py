"""The wrangler file: which one, what it means, and what is refused (durable-objects.md 10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.config import DurableObjectBinding, HostKind, HtmlHandling, NotFound, Project, ServiceBinding, Storage, load_project
from emulator.errors import ConfigError, EmuError, UsageError

Load = Callable[..., Project]
CHAT = {"bindings": [{"name": "CHAT", "class_name": "Chat"}]}


def refused(load: Load, *arguments: Any, **keys: Any) -> EmuError:
    with pytest.raises(EmuError) as caught:
        load(*arguments, **keys)
    return caught.value


def whats(project: Project) -> list[str]:
    return [notice.what for notice in project.notices]


def test_everything_is_read(project: Load, tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    loaded = project(
        compatibility_flags=["python_workers"],
        durable_objects={"bindings": [*CHAT["bindings"], {"name": "FAR", "class_name": "Far", "script_name": "other"}]},
        migrations=[{"tag": "v1", "new_sqlite_classes": ["Chat"]}],
        ai={"binding": "AI", "remote": True},
        vars={"N": 1, "B": True, "O": {"a": [None, 1.5]}, "S": "s"},
        assets={"directory": "./public", "binding": "FILES", "run_worker_first": ["/agents/*"], "not_found_handling": "404-page"},
        triggers={"crons": ["*/5 * * * *"]},
        kv_namespaces=[{"binding": "CACHE", "id": "1"}],
        queues={"producers": [{"binding": "JOBS", "queue": "jobs"}]},
        services=[
            {"binding": "SELF", "service": "shop"},
            {"binding": "ADMIN", "service": "shop", "entrypoint": "Admin", "props": {"role": "a"}},
            {"binding": "ELSE", "service": "other"},
        ],
        observability={"enabled": True},
    )
    assert (loaded.root, loaded.main, loaded.host) == (tmp_path, tmp_path / "src/entry.py", HostKind.PYTHON)
    assert loaded.durable_objects == (DurableObjectBinding("CHAT", "Chat"), DurableObjectBinding("FAR", "Far", "other"))
    assert loaded.storage_of("Chat") is Storage.SQLITE
    assert loaded.ai_binding == "AI"
    assert loaded.vars == {"N": 1, "B": True, "O": {"a": [None, 1.5]}, "S": "s"}
    assert loaded.assets is not None
    assert (loaded.assets.directory, loaded.assets.binding) == (tmp_path / "public", "FILES")
    assert (loaded.assets.not_found, loaded.assets.html) == (NotFound.PAGE_404, HtmlHandling.AUTO)
    assert loaded.assets.worker_first == ("/agents/*",)
    assert loaded.crons == ("*/5 * * * *",)
    assert loaded.services == (ServiceBinding("SELF"), ServiceBinding("ADMIN", "Admin", {"role": "a"}))
    others = {("kv_namespaces", "CACHE"), ("queues", "JOBS"), ("services", "ELSE")}
    assert {(binding.kind, binding.name) for binding in loaded.unsupported} == others
    assert loaded.notices == ()


def test_json_wins_over_jsonc_over_toml(project: Load, tmp_path: Path) -> None:
    keys = {"main": "src/entry.py", "compatibility_date": "2026-01-01"}
    toml = 'name = "toml"\nmain = "src/entry.py"\ncompatibility_date = "2026-01-01"\n'
    files = {
        "wrangler.toml": toml,
        "wrangler.jsonc": json.dumps({"name": "jsonc", **keys}),
        "wrangler.json": json.dumps({"name": "json", **keys}),
    }
    assert project(files).name == "json"
    (tmp_path / "wrangler.json").unlink()
    assert load_project(tmp_path, environ={}).name == "jsonc"
    (tmp_path / "wrangler.jsonc").unlink()
    assert load_project(tmp_path, environ={}).name == "toml"


def test_the_file_is_found_from_a_folder_below(project: Load, tmp_path: Path) -> None:
    project()
    assert load_project(tmp_path / "src", environ={}).root == tmp_path


def test_another_file_can_be_named(project: Load, tmp_path: Path) -> None:
    text = json.dumps({"name": "other", "main": "src/entry.py", "compatibility_date": "2026-01-01"})
    assert project({"wrangler.jsonc": "{", "wrangler.other.jsonc": text}, config=tmp_path / "wrangler.other.jsonc").name == "other"


@pytest.mark.parametrize(
    ("suffix", "host"), [(".py", HostKind.PYTHON), (".ts", HostKind.NODE), (".tsx", HostKind.NODE), (".mjs", HostKind.NODE)]
)
def test_main_selects_the_host(project: Load, suffix: str, host: HostKind) -> None:
    assert project({f"src/main{suffix}": ""}, main=f"src/main{suffix}").host is host


@pytest.mark.parametrize(
    ("keys", "code", "what", "where", "hint"),
    [
        ({"main": None}, "E105", '"main" is missing', "wrangler.jsonc", "src/entry.py"),
        ({"main": "src/entrry.py"}, "E106", "no such file", "wrangler.jsonc:3", 'did you mean "src/entry.py"?'),
        ({"main": "src/main.rb"}, "E107", "no host runs", "wrangler.jsonc:3", ".py"),
        ({"name": 7}, "E104", '"name" must be lower-case letters', "wrangler.jsonc:2", None),
        ({"compatibility_flags": "x"}, "E104", '"compatibility_flags" must be a list of strings, and is "x"', "wrangler.jsonc:5", None),
        (
            {"durable_objects": {"bindings": [{"name": "A"}]}},
            "E104",
            '"durable_objects.bindings[0].class_name" is missing',
            "wrangler.jsonc:7",
            None,
        ),
        ({"ai": {"binding": "CHAT"}, "durable_objects": CHAT}, "E109", 'two bindings have the name "CHAT"', "wrangler.jsonc:5", None),
        ({"durable_objects": {"bindings": CHAT["bindings"] * 2}}, "E109", "two bindings", "wrangler.jsonc:5", None),
        ({"vars": {"CHAT": 1}, "durable_objects": CHAT}, "E109", '"vars"', "wrangler.jsonc:5", None),
        ({"migrations": [{"tag": "v1"}], "exports": {"A": {}}}, "E111", "cannot be used together", "wrangler.jsonc:10", "exports"),
        ({"migrations": [{"tag": "v1"}, {"tag": "v1"}]}, "E115", 'the tag "v1"', "wrangler.jsonc:9", None),
        ({"assets": {"directory": "publik"}}, "E113", "no such folder", "wrangler.jsonc:6", 'did you mean "public"?'),
        ({"assets": {"run_worker_first": ["agents/*"]}}, "E104", "starts with / or !/", "wrangler.jsonc:7", None),
    ],
)
def test_refusals(project: Load, tmp_path: Path, keys: dict[str, Any], code: str, what: str, where: str, hint: str | None) -> None:
    (tmp_path / "public").mkdir()
    error = refused(project, **keys)
    assert isinstance(error, ConfigError)
    assert (error.code, error.where) == (code, where)
    assert what in error.what
    assert (hint or "") in (error.hint or "")


def test_no_file_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as no_folder:
        load_project(tmp_path / "absent", environ={})
    assert no_folder.value.code == "E201"
    with pytest.raises(ConfigError) as no_file:
        load_project(tmp_path, config=tmp_path / "absent.toml", environ={})
    assert no_file.value.code == "E101"


def test_a_missing_name_comes_from_the_folder(project: Load, tmp_path: Path) -> None:
    folder = tmp_path / "My Agent!"
    (folder / "src").mkdir(parents=True)
    (folder / "src/entry.py").touch()
    (folder / "wrangler.json").write_text('{"main": "src/entry.py", "compatibility_date": "2026-01-01"}')
    loaded = load_project(folder, environ={})
    assert loaded.name == "my-agent"
    assert '"name" is missing' in whats(loaded)[0]


def test_a_folder_that_gives_no_name(tmp_path: Path) -> None:
    folder = tmp_path / "!!!"
    folder.mkdir()
    (folder / "wrangler.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        load_project(folder, environ={})
    assert caught.value.code == "E108"


def test_a_missing_date_is_the_newest_and_warned_about(project: Load) -> None:
    loaded = project(compatibility_date=None)
    assert loaded.flag("durable_object_io_tasks_prevent_eviction")
    assert "compatibility_date" in whats(loaded)[0]


def test_unknown_keys_warn(project: Load) -> None:
    loaded = project(durable_object={}, observability={"anything": 1})
    assert [(notice.where, notice.hint) for notice in loaded.notices] == [("wrangler.jsonc:5", 'did you mean "durable_objects"?')]


def test_a_class_without_migration_is_legacy_and_warned_about(project: Load) -> None:
    loaded = project(durable_objects=CHAT, migrations=[{"tag": "v1", "new_classes": ["Old"], "new_sqlite_classes": ["Chatt"]}])
    assert (loaded.storage_of("Chat"), loaded.storage_of("Old")) == (Storage.LEGACY, Storage.LEGACY)
    assert [notice.hint for notice in loaded.notices] == ['did you mean "Chatt"?']


def test_migrations_are_replayed(project: Load) -> None:
    loaded = project(
        migrations=[
            {"tag": "v1", "new_sqlite_classes": ["A", "B"], "new_classes": ["C"]},
            {"tag": "v2", "renamed_classes": [{"from": "A", "to": "A2"}, {"from": "C", "to": "C2"}], "deleted_classes": ["B"]},
            {"tag": "v3", "transferred_classes": [{"from": "X", "from_script": "other", "to": "X"}]},
        ]
    )
    assert loaded.storage == {"A2": Storage.SQLITE, "C2": Storage.LEGACY, "X": Storage.SQLITE}


@pytest.mark.parametrize("second", [{"deleted_classes": ["B"]}, {"renamed_classes": [{"from": "B", "to": "D"}]}, {"new_classes": ["A"]}])
def test_migrations_that_do_not_add_up(project: Load, second: dict[str, Any]) -> None:
    error = refused(project, migrations=[{"tag": "v1", "new_sqlite_classes": ["A"]}, {"tag": "v2", **second}])
    assert error.code == "E115"


def test_exports_decide_storage(project: Load) -> None:
    loaded = project(
        exports={
            "A": {"type": "durable-object", "storage": "sqlite"},
            "B": {"type": "durable-object"},
            "C": {"type": "durable-object", "storage": "sqlite", "state": "deleted"},
            "D": {"type": "worker"},
        }
    )
    assert loaded.storage == {"A": Storage.SQLITE, "B": Storage.LEGACY}


class TestEnvironments:
    """S-115."""

    KEYS: dict[str, Any] = {  # noqa: RUF012 - never changed
        "durable_objects": CHAT,
        "vars": {"MODE": "top"},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Chat"]}],
        "compatibility_flags": ["python_workers"],
        "env": {
            "staging": {"vars": {"MODE": "staging"}},
            "live": {"name": "the-shop", "compatibility_date": "2026-11-01", "durable_objects": CHAT, "vars": {}},
        },
    }

    def test_what_is_inherited(self, project: Load) -> None:
        staging = project(environment="staging", **self.KEYS)
        assert (staging.name, staging.environment) == ("shop-staging", "staging")
        assert staging.durable_objects == ()
        assert staging.vars == {"MODE": "staging"}
        assert staging.storage_of("Chat") is Storage.SQLITE
        assert staging.compatibility_flags == {"python_workers"}
        assert whats(staging) == ['"durable_objects" stands at the top level and is not inherited by "env.staging"']

    def test_what_is_overridden(self, project: Load) -> None:
        live = project(environment="live", **self.KEYS)
        assert (live.name, live.compatibility_date, live.vars) == ("the-shop", "2026-11-01", {})
        assert live.durable_objects == (DurableObjectBinding("CHAT", "Chat"),)
        assert live.notices == ()

    def test_the_environment_variable(self, project: Load) -> None:
        assert project(environ={"CLOUDFLARE_ENV": "staging"}, **self.KEYS).name == "shop-staging"

    def test_an_unknown_name(self, project: Load) -> None:
        error = refused(project, environment="stagging", **self.KEYS)
        assert (error.code, error.hint) == ("E110", "--env staging")

    def test_without_any_env(self, project: Load) -> None:
        loaded = project(environment="staging", vars={"A": 1})
        assert (loaded.name, loaded.vars) == ("shop-staging", {"A": 1})
        assert len(loaded.notices) == 1


class TestFlags:
    """durable-objects.md 10.5."""

    @pytest.mark.parametrize(
        ("date", "named", "flag", "on"),
        [
            ("2026-02-23", [], "delete_all_deletes_alarm", False),
            ("2026-02-24", [], "delete_all_deletes_alarm", True),
            ("2026-02-24", ["delete_all_preserves_alarm"], "delete_all_deletes_alarm", False),
            ("2020-01-01", ["delete_all_deletes_alarm"], "delete_all_deletes_alarm", True),
            ("2026-11-16", [], "enable_request_signal", False),
            ("2026-11-17", [], "enable_request_signal", True),
            ("2026-11-17", ["disable_request_signal"], "enable_request_signal", False),
            ("2026-11-17", ["some_new_flag"], "some_new_flag", True),
            ("2025-08-13", [], "python_no_global_handlers", False),
            ("2026-11-17", ["disable_python_no_global_handlers"], "python_no_global_handlers", False),
            ("2026-11-17", [], "python_workers_314", False),
            ("2026-11-17", ["python_workers"], "python_workers_314", True),
        ],
    )
    def test_dates_and_names(self, project: Load, date: str, named: list[str], flag: str, on: bool) -> None:
        assert project(compatibility_date=date, compatibility_flags=named).flag(flag) is on

    @pytest.mark.parametrize(
        ("date", "named", "version"),
        [
            ("2025-09-28", ["python_workers"], (3, 12)),
            ("2025-09-29", ["python_workers"], (3, 13)),
            ("2024-01-01", ["python_workers", "python_workers_20250116"], (3, 13)),
            ("2026-09-08", ["python_workers"], (3, 14)),
        ],
    )
    def test_the_python_that_is_implied(self, project: Load, date: str, named: list[str], version: tuple[int, int]) -> None:
        assert project(compatibility_date=date, compatibility_flags=named).python_version == version

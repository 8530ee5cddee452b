"""Options: flags over agents-emu.toml over defaults, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.config import AiMode, LogFormat, Options, Reload, load_options
from emulator.config.options import DECLARATIONS
from emulator.config.speed import INSTANT, RECORDED, Speed
from emulator.errors import ConfigError, UsageError


def load(root: Path, toml: str | None = None, environ: dict[str, str] | None = None, **flags: Any) -> Options:
    if toml is not None:
        (root / "agents-emu.toml").write_text(toml)
    return load_options(root, flags, environ=environ or {}, cwd=Path("/somewhere"))[0]


def test_defaults(tmp_path: Path) -> None:
    options = load(tmp_path)
    assert (options.port, options.ip, options.idle_ms) == (8787, "127.0.0.1", 10_000)
    assert (options.persist_to, options.fixtures) == (tmp_path / ".wrangler/state", tmp_path / "fixtures")
    assert (options.ai_mode, options.ai_speed, options.reload, options.inspector) == (AiMode.AUTO, RECORDED, Reload.KEEP, True)


def test_with_ci_answers_come_at_once(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"CI": "true"}).ai_speed == INSTANT
    assert load(tmp_path, environ={"CI": "true"}, ai_speed="2x").ai_speed == Speed(2.0)
    assert load(tmp_path, environ={"CI": "false"}).ci is False


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    toml = 'port = 3000\nreload = "close"\nidle_ms = 50\n[ai]\nmode = "replay"\nspeed = "instant"\n[log]\nformat = "json"\n'
    options = load(tmp_path, toml, port="4000", ai_mode="live")
    assert (options.port, options.ai_mode) == (4000, AiMode.LIVE)
    assert (options.reload, options.idle_ms, options.ai_speed, options.log_format) == (Reload.CLOSE, 50, INSTANT, LogFormat.JSON)


def test_paths_start_where_they_are_written(tmp_path: Path) -> None:
    options = load(tmp_path, 'persist_to = "state"\n[ai]\nfixtures = "recorded"\n', ready_file="ready.json", fixtures="here")
    assert options.persist_to == tmp_path / "state"
    assert options.fixtures == Path("/somewhere/here")
    assert options.ready_file == Path("/somewhere/ready.json")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "http"}, "--port http makes no sense: a whole number from 0 to 65535"),
        ({"port": "70000"}, "from 0 to 65535"),
        ({"ai_mode": "replai"}, "one of auto, replay, record, new, once, check, live, stub"),
        ({"ai_speed": "fast"}, '"instant", a factor'),
        ({"ai_speed": "0x"}, '"instant", a factor'),
        ({"clock": "sundial"}, '"real", "virtual" or "virtual@'),
        ({"clock": "virtual@"}, '"real", "virtual" or "virtual@'),
        ({"clock": "virtual@noon"}, "an instant such as 2026-12-24T09:00:00Z"),
        ({"clock": "virtual@1969-12-31"}, "an instant from 1970-01-01"),
        ({"ip": ""}, "a text"),
    ],
)
def test_flags_that_make_no_sense(tmp_path: Path, flags: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, **flags)
    assert caught.value.code == "E203"
    assert words in caught.value.what


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        ("port = 'x'", "agents-emu.toml:1"),
        ("\nport = true", "agents-emu.toml:2"),
        ("[ai]\nmode = 'nothing'", "agents-emu.toml:2"),
        ("ai = 3", "agents-emu.toml:1"),
        ("inspector = 'yes'", "agents-emu.toml:1"),
    ],
)
def test_values_in_the_file_that_make_no_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, where: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, toml)
    assert (caught.value.code, caught.value.where) == ("E114", where)


@pytest.mark.parametrize(
    ("text", "start_ms"),
    [
        ("real", None),
        ("virtual", 1_767_225_600_000),
        ("virtual@2026-12-24T09:00:00Z", 1_798_102_800_000),
        ("virtual@2026-12-24T10:00+01:00", 1_798_102_800_000),
        ("virtual@2026-12-24", 1_798_070_400_000),
    ],
)
def test_the_clock_is_real_or_begins_at_an_instant(tmp_path: Path, text: str, start_ms: int | None) -> None:
    assert load(tmp_path, clock=text).clock.start_ms == start_ms
    assert load(tmp_path, f'clock = "{text}"').clock.virtual is (start_ms is not None)


def test_unknown_keys_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents-emu.toml").write_text('prot = 1\n[ai]\nmoode = "x"\n[[ai.routes]]\nmatch = "*"\nto = "stub"\n')
    _, notices = load_options(tmp_path, {}, environ={}, cwd=tmp_path)
    assert [(notice.what, notice.where, notice.hint) for notice in notices] == [
        ('"prot" is no option of agents-emu', "agents-emu.toml:1", 'did you mean "port"?'),
        ('"ai.moode" is no option of agents-emu', "agents-emu.toml:3", 'did you mean "ai.mode"?'),
    ]


def test_no_flag_and_no_key_is_declared_twice() -> None:
    flags = [word for declaration in DECLARATIONS.values() for part in declaration.flags.split() for word in part.split("/")]
    keys = [declaration.in_file for declaration in DECLARATIONS.values() if declaration.in_file]
    assert len(set(flags)) == len(flags)
    assert len(set(keys)) == len(keys)

"""`[ai]` of agents-emu.toml: routes, backends, gateways; what is wrong in it is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config import load_options
from emulator.config.ai import AiConfig, BackendType, CachePolicy, RateLimit, RouteConfig, Technique, Validate
from emulator.config.speed import Profile, Speed
from emulator.errors import ConfigError

FULL = """
[ai]
mode = "auto"
speed = "profile:ttft=400,tps=60,jitter=0.2,seed=7"
validate = "strict"
map_overload = false
[[ai.routes]]
match = "@cf/zai-org/*"
to = "ollama"
model = "qwen3:8b"
[[ai.routes]]
match = "*"
to = "cloudflare"
[ai.backends.ollama]
type = "openai"
base_url = "http://127.0.0.1:11434/v1/"
[ai.backends.mine]
type = "workers-ai"
account = "env:MY_ACCOUNT"
token = "abcdefgh-literal"
[ai.backends.anthropic]
type = "anthropic"
base_url = "http://127.0.0.1:9000"
[ai.gateways.my-gateway]
cache_ttl = 0
cache = "observed"
rate_limit = { technique = "sliding", limit = 3, interval = 60 }
[ai.gateways.my-gateway.routes.support]
start = "x"
[[ai.redact]]
name = "order"
regex = "ORD-\\\\d+"
[ai.prices]
"@cf/*" = [0.1, 0.4]
"""


def read(root: Path, toml: str) -> AiConfig:
    (root / "agents-emu.toml").write_text(toml)
    return load_options(root, {}, environ={}, cwd=root)[0].ai


def test_everything_is_understood(tmp_path: Path) -> None:
    config = read(tmp_path, FULL)
    assert config.routes == (RouteConfig("@cf/zai-org/*", "ollama", "qwen3:8b"), RouteConfig("*", "cloudflare"))
    ollama, mine, anthropic = (config.backends[name] for name in ("ollama", "mine", "anthropic"))
    assert (ollama.type, ollama.base_url, ollama.key) == (BackendType.OPENAI, "http://127.0.0.1:11434/v1", None)
    assert (mine.account.env, mine.key.env, mine.key.text) == ("MY_ACCOUNT", None, "abcdefgh-literal")  # type: ignore[union-attr]
    assert anthropic.key is not None and anthropic.key.env == "ANTHROPIC_API_KEY", "a known name keeps its usual variable"
    gateway = config.gateways["my-gateway"]
    assert (gateway.cache, gateway.rate_limit) == (CachePolicy.OBSERVED, RateLimit(Technique.SLIDING, 3, 60))
    assert gateway.dynamic_routes == {"support": {"start": "x"}}
    assert (config.validate, config.map_overload, config.prices) == (Validate.STRICT, False, {"@cf/*": (0.1, 0.4)})
    assert load_options(tmp_path, {}, environ={}, cwd=tmp_path)[0].ai_speed == Speed(1.0, Profile(400, 60, 0.2, 7))


def test_values_of_keys_show_nowhere(tmp_path: Path) -> None:
    assert "abcdefgh-literal" not in repr(read(tmp_path, FULL))


@pytest.mark.parametrize(
    ("toml", "code", "line", "words"),
    [
        ('[ai]\nvalidate = "loud"\n', "E117", 2, '"ai.validate" must be one of "warn", "strict", "off", and is "loud"'),
        ('[[ai.routes]]\nmatch = "*"\n', "E117", 1, '"ai.routes[0].to" is missing'),
        ('[ai.backends.a]\ntype = "opnai"\n', "E117", 2, '"ai.backends.a.type" must be one of "openai"'),
        ('[ai.backends.a]\ntype = "openai"\nbase_url = "localhost"\n', "E117", 3, "an address such as"),
        ('[[ai.routes]]\nmatch = "*"\nto = "cloudfare"\n', "E118", 3, "leads to 'cloudfare'"),
        ("[ai.gateways.g]\nrate_limit = { limit = 3 }\n", "E117", 2, '"ai.gateways.g.rate_limit.interval" is missing'),
        ("[ai.gateways.g]\nmax_attempts = 9\n", "E117", 2, "a whole number from 1 to 5"),
        ('[[ai.redact]]\nname = "x"\n', "E117", 1, 'either "regex" or "path"'),
        ('[ai.prices]\n"@cf/*" = [1.0]\n', "E117", 2, "two numbers"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, code: str, line: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, toml)
    assert (caught.value.code, caught.value.where) == (code, f"agents-emu.toml:{line}")
    assert words in caught.value.what


def test_unknown_keys_inside_warn_and_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents-emu.toml").write_text('[ai.backends.a]\ntype = "openai"\nbase_ulr = "http://x"\n')
    notices = load_options(tmp_path, {}, environ={}, cwd=tmp_path)[1]
    assert [(notice.what, notice.where, notice.hint) for notice in notices] == [
        ('"ai.backends.a.base_ulr" is no option of agents-emu', "agents-emu.toml:3", 'did you mean "ai.backends.a.base_url"?')
    ]


def test_a_key_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    """The file is committed. A word for a server on this machine is no key."""
    write = (
        '[ai.backends.openai]\ntype = "openai"\nkey = "sk-nothing-real"\n'
        '[ai.backends.near]\ntype = "openai"\nbase_url = "http://127.0.0.1:1234"\nkey = "not-needed"\n'
        '[ai.backends.my-proxy]\ntype = "openai"\nbase_url = "http://localhost:1234"\nkey = "a-real-one-of-24-letters"\n'
        '[ai.backends.anthropic]\ntype = "anthropic"\nkey = "env:ANTHROPIC_API_KEY"\n'
    )
    (tmp_path / "agents-emu.toml").write_text(write)
    notices = load_options(tmp_path, {}, environ={}, cwd=tmp_path)[1]
    assert [(notice.what, notice.where, notice.hint) for notice in notices] == [
        (
            f"the key of backend {name!r} stands in a file that is committed with the project",
            f"{tmp_path / 'agents-emu.toml'}:{line}",
            f'use "env:NAME", such as "env:{variable}", and put the value into .dev.vars',
        )
        for name, line, variable in (("openai", 3, "OPENAI_API_KEY"), ("my-proxy", 11, "MY_PROXY_API_KEY"))
    ]

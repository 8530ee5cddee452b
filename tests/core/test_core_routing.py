"""Reserved paths, labels of log lines, and `run_worker_first`."""

from __future__ import annotations

import pytest

from emulator.core.routing import AssetRoutes, Attributor, Route, is_reserved, kebab


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Chat", "chat"),
        ("ChatAgent", "chat-agent"),
        ("MY_CHAT", "my-chat"),
        ("My_Chat", "my--chat"),
        ("AIChat", "a-i-chat"),
        ("COUNTER", "counter"),
        ("chat", "chat"),
        ("CHAT_", "chat-"),
        ("Chat_", "chat"),
        ("123", "123"),
    ],
)
def test_kebab(name: str, word: str) -> None:
    assert kebab(name) == word


@pytest.mark.parametrize(
    ("path", "reserved"),
    [
        ("/cdn-cgi/emu", True),
        ("/cdn-cgi/emu/", True),
        ("/cdn-cgi/emu/api/objects", True),
        ("/cdn-cgi/handler/scheduled", True),
        ("/cdn-cgi/emulator", False),
        ("/cdn-cgi/handler/scheduled/x", False),
        ("/cdn-cgi/trace", False),
        ("/agents/chat/me", False),
    ],
)
def test_reserved(path: str, reserved: bool) -> None:
    assert is_reserved(path) is reserved


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/agents/chat/me", "Chat/me"),
        ("/agents/my-binding/a%2Fb/get-messages?x=1", "Chat/a/b"),
        ("/agents/unknown/x", "unknown/x"),
        ("/agents/chat", None),
        ("/agents/chat/", None),
        ("/agents//x", None),
        ("/other/chat/me", None),
    ],
)
def test_attribution(path: str, label: str | None) -> None:
    found = Attributor([("MY_BINDING", "Chat")]).of(path)
    assert (str(found) if found else None) == label


@pytest.mark.parametrize(
    ("rules", "path", "route"),
    [
        (False, "/api/x", Route.EITHER),
        (True, "/index.html", Route.WORKER),
        (["/api/*"], "/api/x/y", Route.WORKER),
        (["/api/*"], "/apix", Route.EITHER),
        (["/*", "!/assets/*"], "/assets/a.js", Route.ASSETS),
        (["/*", "!/assets/*"], "/a.js", Route.WORKER),
        (["/exact"], "/exact", Route.WORKER),
        (["/exact"], "/exact/", Route.EITHER),
        (["/a.c"], "/abc", Route.EITHER),
    ],
)
def test_run_worker_first(rules: bool | list[str], path: str, route: Route) -> None:
    assert AssetRoutes(rules).of(path) is route

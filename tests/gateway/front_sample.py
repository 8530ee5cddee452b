"""Requests to a project with Vite: asked of the real Cloudflare plugin by record_front.py, and of ours by test_front_parity.py.

The project is front_project/. Its Worker marks each answer with the header `x-worker`.
"""

from __future__ import annotations

from typing import Any

PATHS = [
    *("/", "/index", "/index.html", "/pages/about", "/pages/about/", "/pages/about.html", "/pages", "/pages/", "/plain", "/plain.html"),
    *("/hello.txt", "/public/hello.txt", "/public/plain.html", "/public/plain", "/nothing", "/nothing.js", "/nothing/", "/src/nothing.js"),
    *("/src/main.js", "/src/style.css", "/src/style.css?direct", "/src/text.js?import", "/@vite/client", "/@id/nothing", "/src", "/src/"),
    *("/.dev.vars", "/wrangler.jsonc", "/package.json", "/title.js", "/node_modules/vite/package.json", "/@fs/etc/passwd"),
    *("/agents/x", "/agents/src/main.js", "/agents/static/x", "/agents/static/hello.txt", "/flooded", "/title", "/%70ages/about"),
    *("/pages/../src/text.js", "/?a=1", "/pages/about.html?a=1"),
]
REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    *(("GET", path, {}) for path in PATHS),
    *(("GET", path, {"sec-fetch-mode": "navigate"}) for path in ("/", "/nothing", "/nothing.js", "/agents/x", "/agents/static/x")),
    ("GET", "/nothing", {"accept": "text/html"}),
    ("GET", "/nothing", {"accept": "text/x-vite-ping"}),
    *(("HEAD", path, {}) for path in ("/", "/nothing", "/hello.txt", "/agents/x")),
    *(("POST", path, {"content-length": "0"}) for path in ("/", "/nothing", "/agents/x", "/pages/about.html", "/pages/about")),
    *(("DELETE", path, {}) for path in ("/", "/nothing")),
    ("GET", "/", {"host": "evil.example"}),
]

CONFIGURATIONS: dict[str, dict[str, Any] | None] = {
    "no assets": None,
    "plain": {},
    "spa": {"not_found_handling": "single-page-application"},
    "404-page": {"not_found_handling": "404-page"},
    "spa, patterns": {
        "not_found_handling": "single-page-application",
        "run_worker_first": ["/agents/*", "!/agents/static/*"],
    },
    "worker first": {"run_worker_first": True},
    "force": {"html_handling": "force-trailing-slash"},
    "drop": {"html_handling": "drop-trailing-slash"},
    "none": {"html_handling": "none"},
}
"""The key `assets` of the wrangler file; None is no such key."""


def summary(method: str, status: int, headers: dict[str, str], body: bytes) -> dict[str, Any] | str:
    """Who answered, and what counts of it; header names are in lower case."""
    if "x-worker" in headers:
        return "worker"
    row: dict[str, Any] = {"status": status}
    if "location" in headers:
        row["location"] = headers["location"]
    kind = headers.get("content-type", "").partition(";")[0]
    if status == 200 and kind and method != "HEAD":
        row["type"] = kind
    text = body.decode("utf-8", "replace")
    if "<title>" in text:
        row["title"] = text.partition("<title>")[2].partition("</title>")[0]
        row["transformed"] = "/@vite/client" in text
    return row

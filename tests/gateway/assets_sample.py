"""A folder of assets and the requests that are asked of it: by record_assets.py of a real `wrangler dev`, by test_assets_parity.py of ours.

`CONFIGURATIONS` are the wrangler keys of each run; every request of `REQUESTS` is asked in each of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILES: dict[str, str] = {
    "index.html": "home",
    "about.html": "about",
    "blog/index.html": "blog",
    "blog/post.html": "post",
    "blog/404.html": "no such post",
    "both.html": "both, the page",
    "both/index.html": "both, the folder",
    "docs/guide/index.html": "guide",
    "docs/index.htm": "old ending",
    "odd/index": "a file called index",
    "404.html": "none here",
    "app.js": "js",
    "style.css": "css",
    "noext": "plain",
    "space name.txt": "space",
    "grüße.txt": "hallo",
    "a@b.txt": "at",
    "[id].html": "brackets",
    "pct%20x.txt": "percent",
    "tilde~(1)!'*.txt": "marks",
    ".hidden": "hidden",
    ".well-known/security.txt": "contact",
    "node_modules/x/index.js": "module",
    "ignored.txt": "ignored",
    "secret/key.txt": "key",
    "secret/public.txt": "public",
    "drafts/one.txt": "draft",
    "maps/a.map": "a",
    "maps/keep.map": "keep",
    "deep/tmp/x.txt": "temporary",
    "deep/er/tmp/x.txt": "temporary too",
    "UPPER.HTML": "upper",
    "_worker.js": "worker",
    "served/_headers": "not the root's",
    "types/a.mjs": "",
    "types/a.json": "{}",
    "types/a.jsonld": "{}",
    "types/a.webmanifest": "{}",
    "types/a.md": "",
    "types/a.ts": "",
    "types/a.tsx": "",
    "types/a.jsx": "",
    "types/a.map": "",
    "types/a.xml": "",
    "types/a.rss": "",
    "types/a.csv": "",
    "types/a.yaml": "",
    "types/a.toml": "",
    "types/a.txt": "",
    "types/a.log": "",
    "types/a.htm": "",
    "types/a.xhtml": "",
    "types/a.svg": "",
    "types/a.png": "",
    "types/a.jpg": "",
    "types/a.gif": "",
    "types/a.webp": "",
    "types/a.avif": "",
    "types/a.ico": "",
    "types/a.woff": "",
    "types/a.woff2": "",
    "types/a.ttf": "",
    "types/a.otf": "",
    "types/a.wasm": "",
    "types/a.pdf": "",
    "types/a.zip": "",
    "types/a.gz": "",
    "types/a.tar.gz": "",
    "types/a.mp3": "",
    "types/a.mp4": "",
    "types/a.webm": "",
    "types/a.m4a": "",
    "types/a.wav": "",
    "types/a.ogg": "",
    "types/a.glb": "",
    "types/a.py": "",
    "types/a.sh": "",
    "types/a.bin": "",
    "types/a.unknown": "",
    "types/A.PNG": "",
    "range.txt": "0123456789",
    "_headers": """
# a comment
/style.css
  X-Plain: yes
  X-Twice: one
  X-Twice: two
  Cache-Control: max-age=60
/blog/*
  x-splat: got :splat
  ! ETag
/docs/:name
  x-name: :name
/docs/:name/
  x-folder: :name
https://other.example/*
  x-host: other
https://:sub.example.com/*
  x-sub: :sub
/*
  x-all: 1
  x-plain: again
/bad *
  y: 1
/nothing-here
""",
    "_redirects": """
# comment
/old /about
/old-301 /about 301 # trailing comment
/old-query /about?a=1#top 308
/old-away https://example.com/there 302
/old-away/* https://example.com/deep/:splat?x=1 301
/user/:id/edit /about?user=:id 303
/rewrite /app.js 200
/rewrite-page /about 200
/rewrite-none /nope 200
/shop/* /blog/:splat 200
/about.html /blog/ 302
/loop/* /index.html 200
relative /about
/bad
/bad2 /about 418
/proxy https://example.com 200
/app.js /style.css 302
""",
    ".assetsignore": "ignored.txt\n/secret/*\n!/secret/public.txt\ndrafts/\n*.map\n!keep.map\ntmp\n# _worker.js\n_worker.js\n",
}

PATHS = [
    *("/", "/index", "/index.html", "/about", "/about/", "/about.html", "/about.html/", "/about/index", "/about/index.html"),
    *("/blog", "/blog/", "/blog/index", "/blog/index.html", "/blog.html", "/blog/post", "/blog/post.html", "/blog/post/", "/blog/none"),
    *("/both", "/both/", "/both.html", "/both/index", "/both/index.html", "/docs", "/docs/", "/docs/guide", "/docs/guide/", "/docs/index"),
    *("/docs/index.htm", "/odd/index", "/odd/", "/odd", "/odd/index.html", "/404", "/404.html", "/app.js", "/app.js/", "/app", "/noext"),
    *("/style.css", "/style.css?v=1", "/blog?q=1", "/about.html?q=1&r=%20", "//about", "/blog//post", "//", "/blog//"),
    *(
        "/space%20name.txt",
        "/space+name.txt",
        "/gr%C3%BC%C3%9Fe.txt",
        "/gr%c3%bc%c3%9fe.txt",
        "/a@b.txt",
        "/a%40b.txt",
        "/[id]",
        "/%5Bid%5D",
    ),
    *("/%5bid%5d.html", "/pct%20x.txt", "/pct%2520x.txt", "/tilde~(1)!'*.txt", "/%61bout", "/%", "/%zz", "/%ff", "/a%2Fb", "/blog%2Fpost"),
    *("/.hidden", "/.well-known/security.txt", "/node_modules/x/index.js", "/ignored.txt", "/secret/key.txt", "/secret/public.txt"),
    *(
        "/drafts/one.txt",
        "/maps/a.map",
        "/maps/keep.map",
        "/deep/tmp/x.txt",
        "/deep/er/tmp/x.txt",
        "/_worker.js",
        "/_headers",
        "/_redirects",
    ),
    *("/.assetsignore", "/served/_headers", "/UPPER.HTML", "/UPPER", "/upper.html", "/types", "/types/"),
    *(
        "/nothing",
        "/nothing/",
        "/nothing.js",
        "/blog/deep/none",
        "/agents/x/y",
        "/agents/assets/app.js",
        "/agents/assets/none",
        "/api/app.js",
    ),
    *("/old", "/old?q=1", "/old-301", "/old-query", "/old-query?b=2", "/old-away", "/old-away?q=1", "/old-away/a/b?q=1", "/user/7/edit"),
    *("/rewrite", "/rewrite-page", "/rewrite-none", "/shop/post", "/shop/none", "/loop/x", "/relative", "/bad", "/bad2", "/proxy", "/old/"),
    *("/blog/../about", "/blog/%2e%2e/about", "/./about", "/blog/..", "/../about", "/blog\\post"),
]

TYPES = [f"/{name}" for name in FILES if name.startswith("types/")]

NAVIGATED = ("/", "/nothing", "/nothing.js", "/agents/x/y", "/agents/assets/none", "/about/")
POSTED = ("/", "/app.js", "/nothing", "/agents/x/y", "/about.html", "/old", "/rewrite-none")
UPGRADE = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "x" * 22 + "=="}

# (method, path, headers)
REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    *(("GET", path, {}) for path in PATHS),
    *(
        ("GET", path, {"sec-fetch-mode": "navigate"})
        for path in ("/", "/nothing", "/nothing.js", "/agents/x/y", "/agents/assets/none", "/about/")
    ),
    *(("GET", path, {"sec-fetch-mode": "cors"}) for path in ("/nothing", "/blog/none")),
    *(("HEAD", path, {}) for path in ("/", "/app.js", "/nothing", "/blog/none", "/about.html", "/old")),
    *(
        ("POST", path, {"content-length": "0"})
        for path in ("/", "/app.js", "/nothing", "/agents/x/y", "/about.html", "/old", "/rewrite-none")
    ),
    *(("OPTIONS", path, {}) for path in ("/app.js", "/nothing")),
    *(("DELETE", path, {}) for path in ("/app.js", "/nothing")),
    ("POST", "/nothing", {"content-length": "0", "sec-fetch-mode": "navigate"}),
    ("GET", "/app.js", {"if-none-match": '"not it"'}),
    ("GET", "/app.js", {"if-none-match": "*"}),
    ("GET", "/app.js", {"if-none-match": "ETAG"}),
    ("GET", "/app.js", {"if-none-match": "W/ETAG"}),
    ("GET", "/app.js", {"if-none-match": '"x", ETAG'}),
    ("HEAD", "/app.js", {"if-none-match": "ETAG"}),
    ("GET", "/blog/none", {"if-none-match": "ETAG"}),
    ("GET", "/app.js", {"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    ("GET", "/range.txt", {"range": "bytes=2-4"}),
    ("GET", "/range.txt", {"range": "bytes=-3"}),
    ("GET", "/range.txt", {"range": "bytes=20-30"}),
    ("GET", "/app.js", {"authorization": "Bearer x"}),
    ("GET", "/app.js", {"host": "other.example"}),
    ("GET", "/app.js", {"host": "one.example.com"}),
    (
        "GET",
        "/agents/x/y",
        {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "x" * 22 + "=="},
    ),
    (
        "GET",
        "/nothing",
        {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "x" * 22 + "=="},
    ),
]
"""`ETAG` in a header stands for the etag that the same path has."""

PATTERNS = ["/agents/*", "/api/*", "!/agents/assets/*"]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "types": {},
    "spa": {"not_found_handling": "single-page-application"},
    "404-page": {"not_found_handling": "404-page"},
    "spa, patterns": {"not_found_handling": "single-page-application", "run_worker_first": PATTERNS},
    "404-page, patterns": {"not_found_handling": "404-page", "run_worker_first": PATTERNS},
    "patterns": {"run_worker_first": PATTERNS},
    "worker first": {"run_worker_first": True, "not_found_handling": "404-page"},
    "force": {"html_handling": "force-trailing-slash"},
    "drop": {"html_handling": "drop-trailing-slash"},
    "none": {"html_handling": "none"},
    "spa, old date": {"not_found_handling": "single-page-application", "compatibility_date": "2025-03-01"},
    "spa, flag off": {
        "not_found_handling": "single-page-application",
        "compatibility_flags": ["assets_navigation_has_no_effect"],
    },
    "binding": {"run_worker_first": ["/*"]},
    "binding, spa": {"run_worker_first": ["/*"], "not_found_handling": "single-page-application"},
    "binding, 404-page": {"run_worker_first": ["/*"], "not_found_handling": "404-page"},
}
"""The keys of `assets`; `compatibility_*` are the wrangler file's. In `binding` runs the Worker passes every request to `env.ASSETS`."""

WITHOUT_RULES = frozenset({"plain", "404-page, patterns", "force", "drop"})
"""Runs on a folder without `_headers` and `_redirects`."""


def requests_of(run: str) -> list[tuple[str, str, dict[str, str]]]:
    """What is asked in a run."""
    return [("GET", path, {}) for path in TYPES] if run == "types" else REQUESTS


def write(folder: Path, run: str) -> None:
    """Make the folder of a run."""
    for name, text in FILES.items():
        if run in WITHOUT_RULES and name in ("_headers", "_redirects"):
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "empty").mkdir(exist_ok=True)

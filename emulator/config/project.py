"""What a project says about itself: wrangler file and env files, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from emulator.config.bundling import Bundling
from emulator.config.compatibility import implied_python, is_on
from emulator.config.front_end import FrontEnd
from emulator.config.secrets import Secrets


class HostKind(Enum):
    """Which host runs `main`."""

    PYTHON = "python"
    NODE = "node"


class Storage(Enum):
    """How objects of a class store: decided by migrations (durable-objects.md 10.2)."""

    SQLITE = "sqlite"
    LEGACY = "legacy"


class NotFound(Enum):
    """`assets.not_found_handling`: what answers a path that no file has."""

    NONE = "none"
    SINGLE_PAGE = "single-page-application"
    PAGE_404 = "404-page"


class HtmlHandling(Enum):
    """`assets.html_handling`: how paths map to `.html` files."""

    AUTO = "auto-trailing-slash"
    FORCE = "force-trailing-slash"
    DROP = "drop-trailing-slash"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth one warning that stops nobody. `where` is `file:line`."""

    what: str
    where: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class DurableObjectBinding:
    """`script` is the other Worker that owns the class, None for our own."""

    name: str
    class_name: str
    script: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceBinding:
    """A binding to an entrypoint of this Worker itself; `entrypoint` is None for its default export, `props` are its `ctx.props`."""

    name: str
    entrypoint: str | None = None
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assets:
    """`directory` is None when a bundler such as Vite would fill it in.

    `worker_first` is False (files first, the Worker on a miss), True, or URL patterns, where `!` negates.
    """

    directory: Path | None
    binding: str | None
    not_found: NotFound
    html: HtmlHandling
    worker_first: bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """One entry of `migrations`: what it did to classes. `renamed` leads from old names to new ones."""

    tag: str
    created: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OtherBinding:
    """A binding the emulator does not serve yet: `kind` is its wrangler key, as in `kv_namespaces`."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Project:
    """`root` is the wrangler file's folder and `main` is absolute. `environment` is the chosen `env.<name>`.

    `vars` keep their JSON types (S-114); a name that an env file sets is in `secrets` only (S-113).
    """

    root: Path
    config_path: Path
    name: str
    main: Path
    host: HostKind
    compatibility_date: str
    environment: str | None = None
    compatibility_flags: frozenset[str] = frozenset()
    durable_objects: tuple[DurableObjectBinding, ...] = ()
    services: tuple[ServiceBinding, ...] = ()
    storage: Mapping[str, Storage] = field(default_factory=dict)
    migrations: tuple[Migration, ...] = ()
    ai_binding: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)
    assets: Assets | None = None
    front_end: FrontEnd | None = None
    crons: tuple[str, ...] = ()
    bundling: Bundling = field(default_factory=Bundling)
    unsupported: tuple[OtherBinding, ...] = ()
    notices: tuple[Notice, ...] = ()

    def flag(self, name: str) -> bool:
        """Whether a compatibility flag holds, named or implied by the date (durable-objects.md 10.5)."""
        return is_on(name, self.compatibility_date, self.compatibility_flags)

    def storage_of(self, class_name: str) -> Storage:
        """A class that no migration names stores as legacy KV: its `sql` throws (durable-objects.md 10.2, S-116)."""
        return self.storage.get(class_name, Storage.LEGACY)

    @property
    def python_version(self) -> tuple[int, int]:
        """The Python that the platform would use: what `pyodide.__version__` and the flags follow."""
        return implied_python(self.compatibility_date, self.compatibility_flags)

    @property
    def values(self) -> dict[str, Any]:
        """All of `env` that is plain data: vars, and secrets over them (S-113). Never log this."""
        return {**self.vars, **self.secrets}

    @property
    def state_folder(self) -> Path:
        """Ours alone: sockets, journal, the running server's file (design 4.2). Not created here."""
        return self.root / ".agents-emu"

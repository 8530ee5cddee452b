"""One object's SQLite file: opened on first use, closed when idle, and the transactions of its turns.

The file is the one `wrangler dev` uses (design.md 4.2): WAL, `synchronous=NORMAL`, foreign keys on, and three tables of the
platform's own, `__miniflare_do_name`, `_cf_KV` and `_cf_METADATA`, each made by the first write that needs it.

Three kinds of transaction (durable-objects.md 2.5, 2.6):

- the *turn*: the first write opens it and calls `on_dirty`; the host calls `commit` when the turn ends;
- a *savepoint* (`transaction_sync`), inside whatever is open;
- an *explicit* transaction (`begin_explicit`), which outlives turns; the turn's `commit` leaves it alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from emulator.errors import StartError
from emulator.hosts.python.open_files import OpenFiles
from emulator.hosts.python.sql_clock import Functions
from emulator.hosts.python.sql_errors import describe
from emulator.hosts.python.sql_functions import add_missing_functions
from emulator.hosts.python.sql_rules import LIMITS, Authorizer, trusted

CONSTRAINTS_VIOLATED = (
    "Durable Object was reset and rolled back to its last known good state because the application left the database "
    "in a state where constraints were violated: "
)
COMMIT_LOST = "Durable Object was reset and rolled back to its last known good state because its storage could not be written: "

_NAME_TABLE = trusted("CREATE TABLE IF NOT EXISTS __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)")
_READ_NAME = trusted("SELECT name FROM main.__miniflare_do_name WHERE id = 1")
_WRITE_NAME = trusted("INSERT OR REPLACE INTO main.__miniflare_do_name (id, name) VALUES (1, ?)")
_HAS_TABLE = trusted("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?")
_BEGIN = trusted("BEGIN IMMEDIATE")
_COMMIT = trusted("COMMIT")
_ROLLBACK = trusted("ROLLBACK")
_BUSY_TIMEOUT_S = 2.0
_LONG_WAL_BYTES = 256 * 1024
_CACHED_STATEMENTS = 128


class CommitFailed(Exception):
    """The turn's writes could not be committed and are rolled back: the instance must be reset.

    The text is what callers of the object see (durable-objects.md 1.5).
    """


class StorageRevoked(Exception):
    """A dead instance (reset, evicted) touched its storage."""


class ExplicitTransaction:
    """One level of `storage.transaction(...)`. Nested levels are savepoints of the outermost one."""

    def __init__(self, database: Database, savepoint: str | None, memo: object) -> None:
        self._database = database
        self.savepoint = savepoint
        self.memo = memo
        self.state = "open"

    def commit(self) -> None:
        """Keep the writes. Nothing happens on a level that is already rolled back. Raises CommitFailed at the outermost level."""
        if self.state == "open":
            self.state = "committed"
            self._database._end_explicit(self, keep=True)

    def rollback(self) -> None:
        """Drop the writes of this level and of the levels inside it; later writes belong to whatever encloses it."""
        if self.state == "open":
            self.state = "rolled back"
            self._database._end_explicit(self, keep=False)


class Database:
    """A handle on one SQLite file. `on_dirty()` is told that a turn wrote, `on_commit()` that its writes are in the file.

    `memo` is any immutable value that follows the transaction: a rollback puts back what it was when the rolled back part began.
    """

    def __init__(
        self,
        path: Path,
        files: OpenFiles,
        *,
        on_dirty: Callable[[], None],
        on_commit: Callable[[], None],
        memo: object = None,
        functions: Iterable[Functions] = (),
    ) -> None:
        self.path = path
        self.memo = memo
        self.authorizer = Authorizer()
        self._files = files
        self._functions = functions
        self._on_dirty = on_dirty
        self._on_commit = on_commit
        self._connection: sqlite3.Connection | None = None
        self._revoked: str | None = None
        self._turn_memo: object = memo
        self._turn_open = False
        self._explicit: list[ExplicitTransaction] = []
        self._savepoints = 0
        self._known_tables: set[str] = set()
        self._settings: dict[str, str] = {}

    # --- the file ---

    def connection(self) -> sqlite3.Connection:
        """The open connection, opening the file when needed. Raises StorageRevoked, or StartError for a file that is no database."""
        if self._files.newest is not self:
            if self._revoked is not None:
                raise StorageRevoked(self._revoked)
            self._files.touch(self)
        connection = self._connection
        return connection if connection is not None else self._open()

    @property
    def busy(self) -> bool:
        """A transaction is open."""
        return self._connection is not None and self._connection.in_transaction

    @property
    def is_dirty(self) -> bool:
        """The current turn wrote something that `commit` has yet to write down."""
        return self._turn_open

    @property
    def in_explicit(self) -> bool:
        """Inside `storage.transaction(...)`."""
        return bool(self._explicit)

    @property
    def in_savepoint(self) -> bool:
        """Inside `transaction_sync`."""
        return self._savepoints > 0

    def release(self) -> None:
        """Close the file; the next access opens it again. Uncommitted writes are lost, so commit first."""
        self._files.forget(self)
        connection, self._connection = self._connection, None
        self._known_tables.clear()
        if connection is not None:
            if self._wal_is_long():
                connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, False)
            connection.close()

    def _wal_is_long(self) -> bool:
        """Whoever opens the file next reads the whole WAL, and with it SQLite forgets how much of it was folded in already: left alone, it
        would grow with every opening."""
        try:
            return os.stat(f"{self.path}-wal").st_size > _LONG_WAL_BYTES
        except OSError:
            return False

    def revoke(self, reason: str) -> None:
        """The instance is gone: roll back, close, and let every later access raise StorageRevoked(`reason`)."""
        self.rollback()
        self.release()
        self._revoked = reason

    def remember_setting(self, pragma: str, statement: str) -> None:
        """A setting the object made on its connection, to be made again whenever the file is reopened."""
        if pragma != "foreign_keys" or not self.busy:  # inside a transaction SQLite ignores that one
            self._settings[pragma] = statement

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, cached_statements=_CACHED_STATEMENTS)
        except (OSError, sqlite3.Error) as error:
            self._files.forget(self)
            raise self._unusable(error) from error
        try:
            connection.execute("PRAGMA synchronous = OFF")  # only while a new, empty file becomes a WAL one
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA recursive_triggers = OFF")
        except sqlite3.Error as error:
            connection.close()
            self._files.forget(self)
            raise self._unusable(error) from error
        add_missing_functions(connection)
        for give in self._functions:
            give(connection)
        # Closing is frequent and must be cheap: the WAL stays beside the file until it is long.
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        for category, limit in LIMITS:
            connection.setlimit(category, limit)
        for statement in self._settings.values():
            connection.execute(statement)
        connection.set_authorizer(self.authorizer)
        self._connection = connection
        return connection

    def _unusable(self, error: Exception) -> StartError:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StartError(
                "E350",
                f"the storage file of this object is not a usable SQLite database ({error})",
                where=str(self.path),
                hint=f"restore it from a copy, or start this object empty:  mv '{self.path}' '{self.path}.broken'",
            )
        return StartError(
            "E351",
            f"the storage file of this object cannot be opened ({error})",
            where=str(self.path),
            hint="check that the state folder is writable, has room, and that no other program holds the file",
        )

    # --- statements of our own (never the user's: those go through sql.py) ---

    def read(self, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a trusted statement that only reads."""
        return self.connection().execute(sql, parameters)

    def write(self, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a trusted statement that writes, inside the turn's transaction."""
        connection = self.connection()
        if not connection.in_transaction:
            self.begin_turn()
        return connection.execute(sql, parameters)

    def has_table(self, name: str) -> bool:
        """Whether one of the platform's own tables exists; remembered until something could have removed it."""
        if name in self._known_tables:
            return True
        if self.read(_HAS_TABLE, (name,)).fetchone() is None:
            return False
        self._known_tables.add(name)
        return True

    def read_name(self) -> str | None:
        """The name this object was created by, if it is known (durable-objects.md 1.2)."""
        if not self.has_table("__miniflare_do_name"):
            return None
        row = self.read(_READ_NAME).fetchone()
        return None if row is None else row[0]

    def write_name(self, name: str) -> None:
        """Record the object's name, unless it is there already."""
        if self.read_name() != name:
            self.write(_NAME_TABLE)
            self.write(_WRITE_NAME, (name,))

    # --- the turn ---

    def begin_turn(self) -> None:
        """Open the turn's transaction unless one is open."""
        connection = self.connection()
        if connection.in_transaction:
            return
        self._settle_lost_turn()
        connection.execute(_BEGIN)
        self._turn_memo = self.memo
        self._turn_open = True
        self._on_dirty()

    def commit(self) -> None:
        """End the turn. Raises CommitFailed when the writes could not be kept; they are rolled back then."""
        if not self._turn_open:
            return
        connection = self._connection
        if connection is None or not connection.in_transaction:
            self._settle_lost_turn()
            self._on_commit()
            return
        self._turn_open = False
        self._commit_connection(connection)

    def rollback(self) -> None:
        """Drop everything that is not committed, whatever kind of transaction it is in."""
        for level in self._explicit:
            level.state = "rolled back"
        was_open = self._turn_open or bool(self._explicit)
        self._explicit.clear()
        self._savepoints = 0
        self._turn_open = False
        if was_open:
            self.memo = self._turn_memo
        self._rollback_connection()

    def _commit_connection(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute(_COMMIT)
        except sqlite3.Error as error:
            self.memo = self._turn_memo
            self._rollback_connection()
            constraint = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CONSTRAINT
            raise CommitFailed((CONSTRAINTS_VIOLATED if constraint else COMMIT_LOST) + describe(error)) from error
        self._on_commit()

    def _rollback_connection(self) -> None:
        self._known_tables.clear()
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute(_ROLLBACK)

    def _settle_lost_turn(self) -> None:
        """SQLite itself rolled the turn back (`INSERT OR ROLLBACK`, a full disk): follow it."""
        if self._turn_open:
            self._turn_open = False
            self.memo = self._turn_memo
            self._known_tables.clear()

    # --- nested and explicit transactions ---

    def transaction_sync[T](self, callback: Callable[[], T]) -> T:
        """Run `callback` in a savepoint: kept when it returns, rolled back (SQL, KV and alarm) when it raises. Nests."""
        self.begin_turn()
        connection = self.connection()
        memo = self.memo
        self._savepoints += 1
        name = f"emu_sync_{self._savepoints}"
        connection.execute(trusted(f"SAVEPOINT {name}"))
        try:
            result = callback()
        except BaseException:
            if self._savepoints and self.busy:
                self._rollback_to(name, memo)
            raise
        else:
            connection.execute(trusted(f"RELEASE {name}"))
            return result
        finally:
            self._savepoints = max(0, self._savepoints - 1)

    def begin_explicit(self) -> ExplicitTransaction:
        """Open a transaction that lasts until it is ended, across turns. The turn so far is committed first (CommitFailed)."""
        if self._explicit:
            savepoint = f"emu_txn_{len(self._explicit)}"
            self.connection().execute(trusted(f"SAVEPOINT {savepoint}"))
            level = ExplicitTransaction(self, savepoint, self.memo)
        else:
            self.commit()
            self.connection().execute(_BEGIN)
            self._turn_memo = self.memo
            level = ExplicitTransaction(self, None, self.memo)
        self._explicit.append(level)
        return level

    def _end_explicit(self, level: ExplicitTransaction, *, keep: bool) -> None:
        index = self._explicit.index(level)
        for inner in self._explicit[index + 1 :]:
            inner.state = level.state
        del self._explicit[index:]
        connection = self.connection()
        if level.savepoint is None:
            if keep and connection.in_transaction:
                self._commit_connection(connection)
            else:
                self.memo = level.memo
                self._rollback_connection()
        elif keep:
            connection.execute(trusted(f"RELEASE {level.savepoint}"))
        else:
            self._rollback_to(level.savepoint, level.memo)

    def _rollback_to(self, savepoint: str, memo: object) -> None:
        connection = self.connection()
        connection.execute(trusted(f"ROLLBACK TO {savepoint}"))
        connection.execute(trusted(f"RELEASE {savepoint}"))
        self.memo = memo
        self._known_tables.clear()

    # --- everything at once ---

    def delete_all(self, *, keep: frozenset[str] = frozenset()) -> None:
        """Remove every view, trigger and table but those of `keep`, at once and for good: it does not wait for the end of the turn
        and cannot be rolled back (durable-objects.md 3.7). Uncommitted writes are dropped with the rest."""
        self.rollback()
        connection = self.connection()
        enforced = connection.execute(trusted("PRAGMA foreign_keys")).fetchone()[0]
        connection.execute("PRAGMA foreign_keys = OFF")
        try:
            connection.execute(_BEGIN)
            try:
                _drop_everything(connection, keep)
                connection.execute(_COMMIT)
            except sqlite3.Error:
                self._rollback_connection()
                raise
        finally:
            connection.execute(f"PRAGMA foreign_keys = {enforced}")
            self._known_tables.clear()
        connection.execute(trusted("VACUUM"))


def _drop_everything(connection: sqlite3.Connection, keep: frozenset[str]) -> None:
    """Virtual tables first: they take their shadow tables along. What SQLite keeps for itself is emptied."""
    kinds = (
        ("table", "sql LIKE 'CREATE VIRTUAL TABLE%'"),
        ("view", "1"),
        ("table", r"name NOT LIKE 'sqlite\_%' ESCAPE '\'"),
    )
    for kind, condition in kinds:
        names = connection.execute(f"SELECT name FROM sqlite_master WHERE type = ? AND {condition}", (kind,)).fetchall()
        for (name,) in names:
            if name not in keep:
                quoted = name.replace('"', '""')
                connection.execute(f'DROP {kind.upper()} IF EXISTS "{quoted}"')
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name not in keep:
            connection.execute(f'DELETE FROM "{name}"' if name == "sqlite_sequence" else f'DROP TABLE "{name}"')

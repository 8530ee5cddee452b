"""What the SQL of an object may do: the limits SQLite enforces and the authorizer it asks (durable-objects.md 3.3, 3.4).

The lists were checked against the real runtime (workerd 1.20261117).
"""

from __future__ import annotations

import sqlite3
from typing import Final

# SQLITE_LIMIT_LENGTH keeps SQLite's own value: the local runtime takes strings beyond the documented 2 MB. ATTACH is refused by the
# authorizer, not by its limit, because our own VACUUM needs it.
LIMITS: Final = (
    (sqlite3.SQLITE_LIMIT_COLUMN, 100),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (sqlite3.SQLITE_LIMIT_VDBE_OP, 25_000),
    (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 127),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
)
MAX_QUERY_BYTES: Final = 100_000

TRANSACTION_REFUSED: Final = (
    "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the "
    "SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer because it will automatically roll back on "
    "exceptions, and because it interacts correctly with Durable Objects' automatic atomic write coalescing."
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READ_ONLY_PRAGMAS = frozenset({"data_version", "page_size"})
_FLAG_PRAGMAS = _words(
    """
    case_sensitive_like defer_foreign_keys foreign_keys ignore_check_constraints legacy_alter_table
    recursive_triggers reverse_unordered_selects
    """
)
# What stays on the connection until it is changed; defer_foreign_keys ends with its transaction.
LASTING_PRAGMAS: Final = _FLAG_PRAGMAS - {"defer_foreign_keys"}
_OBJECT_PRAGMAS = _words(
    """
    foreign_key_check foreign_key_list index_info index_list index_xinfo optimize quick_check table_info
    table_list table_xinfo
    """
)
_VIRTUAL_MODULES = frozenset({"fts5", "fts5vocab", "rtree", "rtree_i32"})
# Tables a SQLite library may bring along and the platform's does not.
_FOREIGN_TABLES = _words(
    """
    bytecode completion dbstat fts3tokenize generate_series sqlite_dbpage sqlite_stmt tables_used
    """
)
# Functions a SQLite library may bring along and the platform's does not know at all.
_UNKNOWN_FUNCTIONS = _words(
    """
    fts3_tokenizer geopoly_area median percentile soundex sqlite_offset
    """
)
_FUNCTIONS = _words(
    """
    abs changes char coalesce concat concat_ws format glob hex ifnull iif instr last_insert_rowid length like
    likelihood likely lower ltrim max min nullif octet_length printf quote random randomblob replace round rtrim
    sign substr substring total_changes trim typeof unhex unicode unlikely upper zeroblob current_date
    current_time current_timestamp date datetime julianday strftime time timediff unixepoch avg count group_concat
    string_agg sum total cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
    row_number acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2
    mod pi pow power radians sin sinh sqrt tan tanh trunc json json_array json_array_length json_each json_extract
    json_group_array json_group_object json_insert json_object json_patch json_quote json_remove json_replace
    json_set json_tree json_type json_valid jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object
    jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set -> ->> bm25 highlight match snippet
    rtreecheck
    """
)
# SQLite runs these itself while it carries out ALTER TABLE.
_INTERNAL_FUNCTIONS = ("sqlite_rename_", "sqlite_drop_", "sqlite_fail", "sqlite_add_")

_TEMP_ACTIONS = frozenset(
    {
        sqlite3.SQLITE_CREATE_TEMP_INDEX,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
        sqlite3.SQLITE_DROP_TEMP_INDEX,
        sqlite3.SQLITE_DROP_TEMP_TABLE,
        sqlite3.SQLITE_DROP_TEMP_TRIGGER,
        sqlite3.SQLITE_DROP_TEMP_VIEW,
    }
)
_NAMING_ACTIONS = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_VTABLE,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_VTABLE,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
    }
)


class Authorizer:
    """Asked by SQLite about everything a statement touches, while it is compiled.

    Only statements of the user are judged: set `trusted` to False around them. `reason` replaces SQLite's own text when the
    platform says something else.
    """

    __slots__ = ("reason", "trusted")

    def __init__(self) -> None:
        self.trusted = True
        self.reason: str | None = None

    def __call__(self, action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
        if self.trusted or self._allows(action, first or "", second or ""):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def _allows(self, action: int, first: str, second: str) -> bool:
        if action == sqlite3.SQLITE_READ:
            if first.lower() in _FOREIGN_TABLES:
                self.reason = f"no such table: {first}: SQLITE_ERROR"
                return False
            return not is_reserved(first)
        if action == sqlite3.SQLITE_FUNCTION:
            return self._allows_function(second)
        if action in (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT):
            self.reason = TRANSACTION_REFUSED
            return False
        if action == sqlite3.SQLITE_PRAGMA:
            return _allows_pragma(first.lower(), second)
        if action == sqlite3.SQLITE_CREATE_VTABLE and second.lower() not in _VIRTUAL_MODULES:
            return False
        if action in _NAMING_ACTIONS:
            return not is_reserved(first)
        if action in (sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_TRIGGER):
            return not is_reserved(first) and not is_reserved(second)
        if action == sqlite3.SQLITE_ALTER_TABLE:
            return not is_reserved(second)
        return action not in _TEMP_ACTIONS and action not in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)

    def _allows_function(self, name: str) -> bool:
        name = name.lower()
        if name in _FUNCTIONS or name.startswith(_INTERNAL_FUNCTIONS):
            return True
        if name in _UNKNOWN_FUNCTIONS:
            self.reason = f"no such function: {name}"
        return False


def trusted(sql: str) -> str:
    """A statement of our own. The mark keeps it apart from the same text of a user: sqlite3 keeps compiled statements by their
    text, and a compiled statement is not judged again."""
    return f"/* emu */ {sql}"


def is_reserved(name: str) -> bool:
    """A table or index of the platform's own."""
    return name[:4].lower() == "_cf_"


def _allows_pragma(name: str, argument: str) -> bool:
    if name in _READ_ONLY_PRAGMAS:
        return not argument
    if name in _FLAG_PRAGMAS:
        return True
    return name in _OBJECT_PRAGMAS and not is_reserved(argument)

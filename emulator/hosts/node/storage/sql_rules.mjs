/**
 * What the SQL of an object may do: the limits SQLite enforces and the authorizer it asks (durable-objects.md 3.3, 3.4).
 *
 * The lists were checked against the real runtime (workerd 1.20261117).
 */
import { constants as c } from "node:sqlite";

/**
 * `length` keeps SQLite's own value: the local runtime takes strings beyond the documented 2 MB. ATTACH is refused by the
 * authorizer, not by its limit, because our own VACUUM needs it.
 */
export const LIMITS = Object.freeze({
  column: 100,
  exprDepth: 100,
  compoundSelect: 5,
  vdbeOp: 25_000,
  functionArg: 127,
  likePatternLength: 50,
  variableNumber: 100,
  triggerDepth: 10,
});
/** Bytes of UTF-8. */
export const MAX_QUERY_BYTES = 100_000;

const TRANSACTION_REFUSED =
  "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the " +
  "SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer because it will automatically roll back on " +
  "exceptions, and because it interacts correctly with Durable Objects' automatic atomic write coalescing.";

const words = (text) => new Set(text.trim().split(/\s+/));

const READ_ONLY_PRAGMAS = new Set(["data_version", "page_size"]);
/** What stays on the connection until it is changed; defer_foreign_keys ends with its transaction. */
export const LASTING_PRAGMAS = words(`
  case_sensitive_like foreign_keys ignore_check_constraints legacy_alter_table recursive_triggers reverse_unordered_selects
`);
const FLAG_PRAGMAS = new Set([...LASTING_PRAGMAS, "defer_foreign_keys"]);
const OBJECT_PRAGMAS = words(`
  foreign_key_check foreign_key_list index_info index_list index_xinfo optimize quick_check table_info table_list table_xinfo
`);
const VIRTUAL_MODULES = new Set(["fts5", "fts5vocab", "rtree", "rtree_i32"]);
/** Tables a SQLite library may bring along and the platform's does not. */
const FOREIGN_TABLES = words(`
  bytecode completion dbstat fts3tokenize generate_series sqlite_dbpage sqlite_stmt tables_used
`);
/** Functions a SQLite library may bring along and the platform's does not know at all. */
const UNKNOWN_FUNCTIONS = words("fts3_tokenizer geopoly_area median percentile soundex sqlite_offset");
/** `load_extension` is refused by SQLite itself, when it is run. */
const FUNCTIONS = words(`
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
  rtreecheck load_extension
`);
/** SQLite runs these itself while it carries out ALTER TABLE. */
const INTERNAL_FUNCTIONS = ["sqlite_rename_", "sqlite_drop_", "sqlite_fail", "sqlite_add_"];

const FORBIDDEN_ACTIONS = new Set([
  c.SQLITE_CREATE_TEMP_INDEX,
  c.SQLITE_CREATE_TEMP_TABLE,
  c.SQLITE_CREATE_TEMP_TRIGGER,
  c.SQLITE_CREATE_TEMP_VIEW,
  c.SQLITE_DROP_TEMP_INDEX,
  c.SQLITE_DROP_TEMP_TABLE,
  c.SQLITE_DROP_TEMP_TRIGGER,
  c.SQLITE_DROP_TEMP_VIEW,
  c.SQLITE_ATTACH,
  c.SQLITE_DETACH,
]);
const NAMING_ACTIONS = new Set([
  c.SQLITE_CREATE_TABLE,
  c.SQLITE_CREATE_VIEW,
  c.SQLITE_CREATE_VTABLE,
  c.SQLITE_DROP_INDEX,
  c.SQLITE_DROP_TABLE,
  c.SQLITE_DROP_TRIGGER,
  c.SQLITE_DROP_VIEW,
  c.SQLITE_DROP_VTABLE,
  c.SQLITE_INSERT,
  c.SQLITE_UPDATE,
  c.SQLITE_DELETE,
]);

/** Asked by SQLite about everything a statement touches, while it is compiled. Only statements of user code are judged. */
export class Authorizer {
  /** What the platform says instead of SQLite's own text about the statement judged last, null when it says nothing else. */
  reason = null;
  #judging = false;

  /** A statement of user code is compiled from here to `end`. */
  begin() {
    this.#judging = true;
    this.reason = null;
  }

  end() {
    this.#judging = false;
  }

  /**
   * @param {number} action
   * @param {string | null} first
   * @param {string | null} second
   * @returns {number} SQLITE_OK or SQLITE_DENY
   */
  judge(action, first, second) {
    return !this.#judging || this.#allows(action, first ?? "", second ?? "") ? c.SQLITE_OK : c.SQLITE_DENY;
  }

  #allows(action, first, second) {
    switch (action) {
      case c.SQLITE_READ:
        if (FOREIGN_TABLES.has(first.toLowerCase())) {
          this.reason = `no such table: ${first}: SQLITE_ERROR`;
          return false;
        }
        return !isReserved(first);
      case c.SQLITE_FUNCTION:
        return this.#allowsFunction(second.toLowerCase());
      case c.SQLITE_TRANSACTION:
      case c.SQLITE_SAVEPOINT:
        this.reason = TRANSACTION_REFUSED;
        return false;
      case c.SQLITE_PRAGMA:
        return allowsPragma(first.toLowerCase(), second);
      case c.SQLITE_ALTER_TABLE:
        return !isReserved(second);
      case c.SQLITE_CREATE_INDEX:
      case c.SQLITE_CREATE_TRIGGER:
        return !isReserved(first) && !isReserved(second);
      case c.SQLITE_CREATE_VTABLE:
        if (!VIRTUAL_MODULES.has(second.toLowerCase())) return false;
    }
    return NAMING_ACTIONS.has(action) ? !isReserved(first) : !FORBIDDEN_ACTIONS.has(action);
  }

  #allowsFunction(name) {
    if (FUNCTIONS.has(name) || INTERNAL_FUNCTIONS.some((prefix) => name.startsWith(prefix))) return true;
    if (UNKNOWN_FUNCTIONS.has(name)) this.reason = `no such function: ${name}`;
    return false;
  }
}

/** A table or index of the platform's own. */
export function isReserved(name) {
  return name.length >= 4 && name.slice(0, 4).toLowerCase() === "_cf_";
}

function allowsPragma(name, argument) {
  if (READ_ONLY_PRAGMAS.has(name)) return argument === "";
  return FLAG_PRAGMAS.has(name) || (OBJECT_PRAGMAS.has(name) && !isReserved(argument));
}

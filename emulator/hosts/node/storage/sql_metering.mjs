/**
 * `rowsWritten` of a cursor: what the platform would bill, from what SQLite tells us.
 *
 * Observed on workerd 1.20261117: a row, plus one per index entry that is made; deleting counts the row alone; AUTOINCREMENT writes one
 * more. Not counted here: rows written by triggers and foreign key actions; an upsert counts as if it inserted.
 */

const INDEXED_COLUMNS = `
  SELECT entries.name, columns.name
  FROM pragma_index_list(?1) AS entries JOIN pragma_index_info(entries.name) AS columns
  WHERE NOT (entries.origin = 'pk' AND EXISTS (SELECT 1 FROM pragma_table_list(?1) WHERE wr))
`;
const HAS_COUNTER = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE AND sql LIKE '%AUTOINCREMENT%'";

/**
 * @param {import("./database.mjs").Database} database
 * @param {import("./sql_text.mjs").Statement} statement
 * @param {number} changed rows SQLite reported
 * @returns {number}
 */
export function rowsWritten(database, statement, changed) {
  const { table, verb, assigned } = statement;
  if (table === null || verb === "delete" || changed === 0) return changed;
  const indexes = new Set();
  for (const [index, column] of database.all(INDEXED_COLUMNS, table)) {
    if (verb !== "update" || assigned.includes(column?.toLowerCase())) indexes.add(index);
  }
  const counter = verb !== "update" && database.get(HAS_COUNTER, table) !== undefined ? 1 : 0;
  return changed * (1 + indexes.size) + counter;
}

/** What can go wrong with storage itself; what user code does wrong is an Error or TypeError with the platform's text. */
import { EmuError } from "../errors.mjs";

const CONSTRAINTS_VIOLATED =
  "Durable Object was reset and rolled back to its last known good state because the application left the database " +
  "in a state where constraints were violated: ";
const COMMIT_LOST = "Durable Object was reset and rolled back to its last known good state because its storage could not be written: ";

/**
 * The turn's writes could not be committed and are rolled back: the instance must be reset.
 * The text is what callers of the object see (durable-objects.md 1.5).
 */
export class CommitFailed extends Error {
  name = "CommitFailed";

  /** A COMMIT that SQLite refused with `text` (its message in the platform's words). */
  static refused(text, { constraint, cause }) {
    return new CommitFailed((constraint ? CONSTRAINTS_VIOLATED : COMMIT_LOST) + text, { cause });
  }

  /** The writes are in the file, but something that belongs to them is not (the gateway's alarm index). */
  static lost(text, cause) {
    return new CommitFailed(COMMIT_LOST + text, { cause });
  }
}

/** A dead instance (reset, evicted) touched its storage. */
export class StorageRevoked extends Error {
  name = "StorageRevoked";
}

/** The machine does not let us use an object's file (E35x of docs/errors.md). */
export class StartError extends EmuError {}

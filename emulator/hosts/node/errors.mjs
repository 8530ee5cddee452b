/**
 * Errors that the emulator itself raises, with their public code (emulator/errors.py, docs/errors.md).
 *
 * A user's error may have a `code` of its own, so nobody asks for `code`: ask `instanceof EmuError`.
 */
export class EmuError extends Error {
  /**
   * @param {string} code as in docs/errors.md, `E4xx`
   * @param {string} what one sentence
   * @param {{where?: string|null, hint?: string|null, cause?: unknown}} [more] `where` is `file:line`, `hint` the next command or edit
   */
  constructor(code, what, { where = null, hint = null, cause } = {}) {
    super(what, cause === undefined ? undefined : { cause });
    this.code = code;
    this.where = where;
    this.hint = hint;
  }

  get name() {
    return this.constructor.name;
  }
}

/** The agent's own code failed: it does not build, import, or export what is needed (E4xx). */
export class UserCodeError extends EmuError {}

/** Host and gateway do not understand each other (E91x, wire/README.md). Our bug, or two versions. */
export class WireError extends EmuError {}

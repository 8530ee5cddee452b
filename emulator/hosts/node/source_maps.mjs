/** From places in bundled code to places in the user's files. Maps are decoded when the first stack asks for them. */

/**
 * @typedef {object} Place
 * @property {string} file absolute path of the source
 * @property {number} line from 1
 * @property {number} column from 1
 */

/** The source maps of the loaded chunks. */
export class SourceMaps {
  /** Where the code at a place came from, null when no map knows. @param {string} url @param {number} line @param {number} column both from 1 @returns {Place|null} */
  original(url, line, column) {
    void [url, line, column];
    return null;
  }
}

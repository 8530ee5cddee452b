/** `HTMLRewriter`: present, so that code which only mentions it loads; using it says what to do. */

const TEXT =
  "HTMLRewriter is not emulated: the host has no HTML parser of the platform's kind. " +
  "Rewrite the text with a package of your own, or try this code with `wrangler dev`.";

/** Throws when it is made. */
export class HTMLRewriter {
  constructor() {
    throw new Error(TEXT);
  }
}

/** The tokens of SQL text, as SQLite reads them. */

const WORD = "[A-Za-z_\\u0080-\\uffff][A-Za-z0-9_$\\u0080-\\uffff]*";
const TOKEN = new RegExp(
  [
    String.raw`[ \t\n\f\r]+|--[^\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*$)`,
    `[xX]'[0-9a-fA-F]*'|${WORD}`,
    "'[^']*(?:''[^']*)*'",
    String.raw`"[^"]*(?:""[^"]*)*"|${"`[^`]*(?:``[^`]*)*`"}|\[[^\]]*\]`,
    String.raw`\?[0-9]*|[:@$#][A-Za-z0-9_$\u0080-\uffff]+`,
    String.raw`0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?`,
    String.raw`->>|->|\|\||<<|>>|<=|>=|<>|!=|==|[\s\S]`,
  ].join("|"),
  "g",
);
/** What a token is by its first character; `other` is what has no place here. */
const KINDS = {
  space: " \t\n\f\r",
  string: "'",
  quoted: '"`[',
  variable: "?:@$#",
  number: "0123456789",
  word: "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
};
const KIND_OF = new Map(Object.entries(KINDS).flatMap(([kind, characters]) => [...characters].map((character) => [character, kind])));

/** One token other than space and comments. */
export class Token {
  #name = null;

  /**
   * @param {"string" | "quoted" | "variable" | "number" | "word" | "other"} kind
   * @param {string} text
   * @param {number} start character position
   */
  constructor(kind, text, start) {
    this.kind = kind;
    this.text = text;
    this.start = start;
  }

  get end() {
    return this.start + this.text.length;
  }

  /** Lower case, without the quotes of a quoted name: what SQLite compares names by. */
  get name() {
    this.#name ??= (this.kind === "quoted" ? this.text.slice(1, -1) : this.text).toLowerCase();
    return this.#name;
  }
}

/**
 * The tokens of `text`. Any text has tokens: what is no SQL comes out as single characters.
 * @param {string} text
 * @returns {Token[]}
 */
export function tokenize(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [token] = match;
    const kind = kindOf(token);
    if (kind !== "space") tokens.push(new Token(kind, token, match.index));
  }
  return tokens;
}

function kindOf(token) {
  const kind = KIND_OF.get(token[0]) ?? (token[0] >= "\u0080" ? "word" : "other");
  switch (kind) {
    case "word":
      return token.length > 2 && token[1] === "'" ? "string" : "word"; // x'0102'
    case "string":
    case "quoted":
      return token.length === 1 ? "other" : kind; // never closed
    case "variable":
      return token.length === 1 && token !== "?" ? "other" : kind;
    case "other":
      if (token.startsWith("--") || token.startsWith("/*")) return "space";
      return token.length > 1 && token[0] === "." ? "number" : "other";
  }
  return kind;
}

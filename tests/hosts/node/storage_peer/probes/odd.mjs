/** What probes have in common: arguments of all kinds. A probe is a list of `[label, expression of storage]`. */

export const ODD = {
  undefined: undefined,
  null: null,
  "a number": 5,
  "a boolean": true,
  "a bigint": 5n,
  "a symbol": Symbol("s"),
  "an object": {},
  "an object with text": { toString: () => "t" },
  "an array": ["a", "b"],
  "an empty array": [],
  "an array of odd things": [1, null, undefined, true],
  "an array with a symbol": ["a", Symbol("s")],
  "a set": new Set(["a"]),
  "a map": new Map([["a", 1]]),
  "a function": () => "x",
  "a date": new Date(5),
  "text in a box": new String("boxed"),
  "a lone surrogate": "a\ud800b",
};

export const OPTIONS = {
  undefined: undefined,
  null: null,
  "a number": 5,
  "a boolean": true,
  text: "x",
  "a function": () => 1,
  "an array": [],
  "an object": {},
  "known ones": { allowConcurrency: true, noCache: true, allowUnconfirmed: true },
  "odd ones": { allowConcurrency: "x", noCache: 1, allowUnconfirmed: {} },
  "null ones": { allowConcurrency: null },
};

/** The expression for each of `values`, labelled by its name. */
export const each = (values, expression) =>
  Object.entries(values).map(([label, value]) => [label, (storage) => expression(storage, value)]);

/** An instance of user code. */
export class Point {
  #hidden = 1;
  constructor(x) {
    this.x = x;
  }
  get seen() {
    return this.#hidden;
  }
}

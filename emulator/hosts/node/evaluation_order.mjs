/**
 * Packages that are apart from user code are evaluated before all of it. That is another order than in one bundle, and matters when a module
 * of the user's that is imported first changes globals for packages imported later: polyfills, shims. Pure.
 */

/** Statements that change a global object, as esbuild prints them; where in a module they stand is not looked at. */
const CHANGES_GLOBALS = new RegExp(
  [
    String.raw`\b(?:globalThis|self|global|window)\s*(?:\.\s*[\w$]+|\[[^\]\n]+\])(?:\.[\w$]+)*\s*(?:\?\?|\|\||&&)?=(?![=>])`,
    String.raw`\b(?:Object\.(?:assign|definePropert(?:y|ies))|Reflect\.(?:set|defineProperty))\(\s*(?:globalThis|self|global|window)\b`,
    String.raw`\b[A-Z][\w$]*\.prototype\.[\w$]+\s*=(?![=>])`,
    String.raw`\b(?:console|process|Math|JSON|Date|crypto|Error)(?:\.[\w$]+)+\s*(?:\?\?|\|\||&&)?=(?![=>])`,
  ].join("|"),
  "g",
);
/** esbuild heads the code of each module with its path. */
const MODULE_HEAD = /^\/\/ (.+)$/gm;

/**
 * Why packages must be evaluated in their turn: the first module that changes globals before a package is imported.
 * @param {import("esbuild").Metafile} metafile
 * @param {string} main key of the main module
 * @param {string} code the built code
 * @param {(key: string) => boolean} isInstalled whether a key is a package's file
 * @returns {string|null}
 */
export function globalsBeforePackages(metafile, main, code, isInstalled) {
  const changing = modulesThatChangeGlobals(code, metafile);
  if (changing.size === 0) return null;
  const order = evaluationOrder(metafile, main);
  const last = order.findLastIndex(isInstalled);
  const first = order.slice(0, Math.max(last, 0)).find((key) => changing.has(key) && !isInstalled(key));
  return first === undefined ? null : `${first} changes globals before packages are imported`;
}

function modulesThatChangeGlobals(code, { inputs }) {
  const heads = [...code.matchAll(MODULE_HEAD)].filter(([, key]) => key in inputs);
  const found = new Set();
  for (const { index } of code.matchAll(CHANGES_GLOBALS)) {
    const head = heads.findLast((one) => one.index < index);
    if (head !== undefined) found.add(head[1]);
  }
  return found;
}

/** Modules in the order in which they would be evaluated in one bundle: what a module imports statically comes before it. */
function evaluationOrder({ inputs }, main) {
  const order = [];
  const seen = new Set();
  const visit = (key) => {
    if (seen.has(key) || !(key in inputs)) return;
    seen.add(key);
    for (const { path, kind } of inputs[key].imports) if (kind === "import-statement") visit(path);
    order.push(key);
  };
  visit(main);
  return order;
}

/** The project's package.json, as far as the loader asks. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "./originals.mjs";

/** Names of the packages it asks for, of every kind but peers. @param {string} root @returns {Set<string>} */
export function declaredPackages(root) {
  const file = join(root, "package.json");
  if (!existsSync(file)) return new Set();
  try {
    const { dependencies, devDependencies, optionalDependencies } = parseJson(readFileSync(file, "utf8"));
    return new Set(Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }));
  } catch {
    return new Set(); // a broken package.json is npm's to report
  }
}

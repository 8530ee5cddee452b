/** Stacks in terms of the user's files: what `Error.stack` says of code that was bundled. */

/** How esbuild keeps a name that it had to change: `__name(_Chat, "Chat")`. */
const KEPT_NAME = /__name\(([\w$]+), "([^"]+)"\)/g;

/** Formats stacks for this process. */
export class StackFrames {
  #maps;
  #sourceOf;
  /** By URL: names of classes as they were, by their names in the bundle. @type {Map<string, Map<string, string>>} */
  #names = new Map();

  /** @param {import("./source_maps.mjs").SourceMaps} maps @param {(url: string) => string|null} sourceOf the code of a bundled module */
  constructor(maps, sourceOf) {
    this.#maps = maps;
    this.#sourceOf = sourceOf;
  }

  /** Every error's stack from now on. A library that sets `Error.prepareStackTrace` for itself, as some do for a moment, gets raw frames. */
  install() {
    Error.prepareStackTrace = (error, sites) => this.#format(error, sites);
  }

  #format(error, sites) {
    return [headOf(error), ...sites.map((site) => `    at ${this.#frame(site)}`)].join("\n");
  }

  #frame(site) {
    const text = String(site);
    const url = site.getScriptNameOrSourceURL();
    const [line, column] = [site.getLineNumber(), site.getColumnNumber()];
    if (!url || line === null) return text;
    const place = this.#maps.original(url, line, column);
    if (place === null) return text;
    return this.#renamed(text, site, url).replace(`${url}:${line}:${column}`, () => `${place.file}:${place.line}:${place.column}`);
  }

  /** A decorated class is `_Chat` to V8, and `Chat` to everybody else. */
  #renamed(text, site, url) {
    const type = site.getTypeName();
    if (!type || !text.includes(`${type}.`)) return text;
    const name = this.#namesIn(url).get(type);
    return name === undefined ? text : text.replace(`${type}.`, () => `${name}.`);
  }

  #namesIn(url) {
    let names = this.#names.get(url);
    if (names === undefined) {
      const kept = [...(this.#sourceOf(url) ?? "").matchAll(KEPT_NAME)].filter(([, built, name]) => built !== name);
      names = new Map(kept.map(([, built, name]) => [built, name]));
      this.#names.set(url, names);
    }
    return names;
  }
}

/** `Name: message`, as `Error.prototype.toString` says it. */
function headOf(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "Error"; // its `message` throws, or is a symbol
  }
}

/** What the platform has the name of and nothing behind it: its own words (observed on workerd). */

/** @param {string} name such as "child_process.spawn" @returns {Error} */
export function notImplemented(name) {
  return Object.assign(new Error(`The ${name} method is not implemented`), { code: "ERR_METHOD_NOT_IMPLEMENTED" });
}

/** A function that throws it. @param {string} name @returns {() => never} */
export function missing(name) {
  return () => {
    throw notImplemented(name);
  };
}

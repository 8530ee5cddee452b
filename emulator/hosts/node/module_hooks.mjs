/** How import specifiers become modules in this process: `cloudflare:*` is our surface, the user's chunks come from memory. */

/** Modules of the running process that are not files. @implements registered once by `Loader.prepare` */
export class ModuleHooks {
  /** Register with Node, synchronously and in this thread. */
  install() {}

  /** Serve these chunks. @param {Map<string, string>} chunks source by file name @returns {string} URL of their folder, with a slash */
  provide(chunks) {
    void chunks;
    return "file:///";
  }
}

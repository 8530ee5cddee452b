/** What the loop's thread tells the watching thread: positions in their shared Int32Array. */

/** How often the loop has moved. */
export const BEATS = 0;
/** 1 while a debugger may stop the process on purpose. */
export const DEBUGGED = 1;

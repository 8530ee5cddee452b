/**
 * What Request and Response share: a body that is nothing, known bytes, a source of chunks that has not been asked yet, or a stream.
 *
 * Known bytes stay bytes from the link through user code and back; a stream object is only made when somebody asks for `.body`.
 */

/**
 * Chunks from elsewhere. `read` gives the next one, null at the end; it rejects when the rest is lost. `cancel` says that nobody reads on.
 *
 * @typedef {object} ByteSource
 * @property {() => Promise<Uint8Array | null>} read
 * @property {(reason?: unknown) => unknown} cancel
 */

export {};

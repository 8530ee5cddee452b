/** Limits of WebSockets that belong to objects (durable-objects.md 5.2 to 5.6); the Python host's twin is `emulator/core/sockets.py`. */

const MAX_TAGS = 10;
const MAX_TAG_LENGTH = 256;
/** Bytes of either half of an auto-response pair. */
const MAX_AUTO_RESPONSE = 2_048;
const MAX_EVENT_TIMEOUT_MS = 604_800_000;

/** Hibernatable sockets of one object. */
export const MAX_SOCKETS = 32_768;
/** What an object hears when the client's Close frame carried no code. */
export const NO_CODE = 1005;

/** Codes that no Close frame may carry. */
export const UNSENDABLE = new Set([1004, 1005, 1006, 1015]);

/**
 * The code that answers a client's Close: the same one; null (an empty Close) when it had none or must not be sent.
 * @param {number | null} code
 * @returns {number | null}
 */
export function echoedCode(code) {
  return code !== null && code >= 1000 && code <= 4999 && !UNSENDABLE.has(code) ? code : null;
}

/**
 * Throws when a socket may not be accepted with these tags. After ten distinct ones nothing may follow, not even a repetition.
 * @param {string[]} tags
 */
export function checkTags(tags) {
  const seen = new Set();
  for (const tag of tags) {
    if (seen.size >= MAX_TAGS) throw new Error(`a Hibernatable WebSocket cannot have more than ${MAX_TAGS} tags`);
    if (tag.length > MAX_TAG_LENGTH) throw new Error(`"${tag}" is longer than the max tag length (${MAX_TAG_LENGTH} characters).`);
    seen.add(tag);
  }
}

/** The tags without repetitions, first come first. @param {string[]} tags @returns {string[]} */
export function distinct(tags) {
  return [...new Set(tags)];
}

/** Throws a RangeError when this pair may not be set. @param {string} request @param {string} response */
export function checkAutoResponse(request, response) {
  checkHalf("Request", "A request", request);
  checkHalf("Response", "A response", response);
}

function checkHalf(half, article, text) {
  const size = Buffer.byteLength(text);
  if (size > MAX_AUTO_RESPONSE) {
    throw new RangeError(`${half} cannot be larger than ${MAX_AUTO_RESPONSE} bytes. ${article} of size ${size} was provided.`);
  }
}

/**
 * Whole milliseconds that handlers may take, from what user code gave.
 * @param {unknown} given
 * @returns {number}
 * @throws {TypeError} it is no number of milliseconds; an Error when it is too large
 */
export function checkedEventTimeout(given) {
  const timeoutMs = Math.trunc(Number(given));
  if (!Number.isFinite(timeoutMs)) throw new TypeError("The value cannot be converted because it is not an integer.");
  if (timeoutMs < 0) throw new TypeError("The value cannot be converted because it is negative and this API expects a positive number.");
  if (timeoutMs > MAX_EVENT_TIMEOUT_MS) throw new Error(`Event timeout should not exceed ${MAX_EVENT_TIMEOUT_MS} ms.`);
  return timeoutMs;
}

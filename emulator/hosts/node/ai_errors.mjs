/** The errors of `env.AI`; users tell them by name and by the numeric start of the message (ai-binding.md 1.3). */

import { parseJson } from "./originals.mjs";

/** A class of errors whose instances carry their name as an own property, as the platform's do. */
class NamedError extends Error {
  constructor(message, name) {
    super(message);
    this.name = name;
  }
}

/** A model's answer is an error. */
export class InferenceUpstreamError extends NamedError {
  constructor(message, name = "InferenceUpstreamError") {
    super(message, name);
  }
}

/** Something cannot be sent, or an answer makes no sense. */
export class AiInternalError extends NamedError {
  constructor(message, name = "AiInternalError") {
    super(message, name);
  }
}

/** AI Gateway did not do what it was asked. */
export class AiGatewayInternalError extends NamedError {
  constructor(message, name = "AiGatewayInternalError") {
    super(message, name);
  }
}

/** AI Gateway has no log with that id. */
export class AiGatewayLogNotFound extends NamedError {
  constructor(message, name = "AiGatewayLogNotFound") {
    super(message, name);
  }
}

/** AutoRAG did not do what it was asked. */
export class AutoRAGInternalError extends NamedError {
  constructor(message, name = "AutoRAGInternalError") {
    super(message, name);
  }
}

/** There is no AutoRAG instance of that name. */
export class AutoRAGNotFoundError extends NamedError {
  constructor(message, name = "AutoRAGNotFoundError") {
    super(message, name);
  }
}

/** AutoRAG does not let this account in. */
export class AutoRAGUnauthorizedError extends NamedError {
  constructor(message, name = "AutoRAGUnauthorizedError") {
    super(message, name);
  }
}

/** AutoRAG was asked without a name. */
export class AutoRAGNameNotSetError extends NamedError {
  constructor(message, name = "AutoRAGNameNotSetError") {
    super(message, name);
  }
}

/**
 * The error of a failed `run`, from any of the envelopes of ai-binding.md 1.4.
 *
 * @param {string} content the answer's body
 * @returns {{error: InferenceUpstreamError, internalCode: unknown}} `internalCode` is null where the answer has none
 */
export function upstreamError(content) {
  const parsed = parsedOrNull(content);
  if (parsed?.internalCode) {
    const { internalCode, description, name } = parsed;
    return { error: new InferenceUpstreamError(`${internalCode}: ${description}`, name), internalCode };
  }
  const first = parsed?.errors?.[0];
  return { error: new InferenceUpstreamError(first ? `${first.code}: ${first.message}` : content), internalCode: null };
}

/**
 * What a management path says is wrong: `errors[0].message`, else `fallback`; the raw text when that is not how it talks.
 *
 * @param {string} content the answer's body
 * @param {string} fallback
 * @returns {{message: string, listed: boolean}} `listed` tells that the answer had a list of errors
 */
export function listedMessage(content, fallback) {
  const errors = parsedOrNull(content)?.errors;
  if (!Array.isArray(errors)) return { message: content, listed: false };
  return { message: errors[0]?.message || fallback, listed: true };
}

function parsedOrNull(content) {
  try {
    return parseJson(content);
  } catch {
    // Not JSON: the text itself is what is known.
    return null;
  }
}

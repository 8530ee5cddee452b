/** The texts of workerd for arguments of the wrong kind. */

/** @param {string} method @param {string} owner @param {number} position from 1 @param {string} type what it should be */
export function wrongParameter(method, owner, position, type) {
  return new TypeError(`Failed to execute '${method}' on '${owner}': parameter ${position} is not of type '${type}'.`);
}

/** The same for a constructor. @param {string} owner @param {number} position from 1 @param {string} type */
export function wrongConstructorParameter(owner, position, type) {
  return new TypeError(`Failed to construct '${owner}': constructor parameter ${position} is not of type '${type}'.`);
}

/** The same for a member of an options object. @param {string} field @param {string} dictionary @param {string} type */
export function wrongField(field, dictionary, type) {
  return new TypeError(`Incorrect type for the '${field}' field on '${dictionary}': the provided value is not of type '${type}'.`);
}

/** What classes of the platform look like to a program that looks at them: members that enumerate, and a text for the console. */

import { inspect } from "node:util";

/**
 * Makes a class's members enumerable, and its instances show them in `console.log`.
 *
 * @param {Function} type
 * @param {(instance: object) => object} [shown] what to show, when that is not every property
 */
export function webInterface(type, shown = membersOf) {
  const members = Object.getOwnPropertyDescriptors(type.prototype);
  for (const [name, member] of Object.entries(members)) {
    if (name !== "constructor") Object.defineProperty(type.prototype, name, { ...member, enumerable: true });
  }
  Object.defineProperty(type.prototype, inspect.custom, {
    value(depth, options) {
      const { name } = this.constructor;
      if (depth < 0) return options.stylize(`[${name}]`, "special");
      return `${name} ${inspect(shown(this), { ...options, depth: options.depth === null ? null : options.depth - 1 })}`;
    },
    configurable: true,
  });
}

/** The values of an instance's getters, its class's first. */
function membersOf(instance) {
  const members = {};
  for (let type = Object.getPrototypeOf(instance); type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
      if (get !== undefined && !(name in members)) members[name] = instance[name];
    }
  }
  for (const name of Object.keys(instance)) members[name] = instance[name];
  return members;
}

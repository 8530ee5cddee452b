/** What esbuild complains of, as errors with the user's place and the next step. */

import { existsSync } from "node:fs";
import { relative } from "node:path";
import { BUILTIN_NAMES } from "./bundle_options.mjs";
import { UserCodeError } from "./errors.mjs";
import { lockFiles } from "./package_cache.mjs";
import { declaredPackages } from "./package_json.mjs";

const UNRESOLVED = /^Could not resolve "(.+)"$/;
/** By lock file: the command that adds a package. */
const ADD = [
  [/pnpm-lock\.yaml$/, "pnpm add"],
  [/yarn\.lock$/, "yarn add"],
  [/bun\.lockb?$/, "bun add"],
];

/** Whether an error is a build that failed. @param {unknown} error */
export function isBuildFailure(error) {
  return Array.isArray(error?.errors) && Array.isArray(error?.warnings);
}

/**
 * A failed build as E424. The stack of its cause is esbuild's own report, with the lines in question.
 * @param {{errors: import("esbuild").Message[]}} failure
 * @param {import("./bundle_options.mjs").BuildPlan} plan
 * @param {import("esbuild").Formatter} api the esbuild that said it
 */
export async function buildError({ errors }, plan, api) {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const report = new Error(first.text);
  report.stack = (await api.formatMessages(errors.map(withoutAdvice), { kind: "error", color: false })).join("").trimEnd();
  return new UserCodeError("E424", `${relative(plan.root, plan.main)} does not build: ${first.text}${more}`, {
    where: placeOf(first) ?? relative(plan.root, plan.main),
    hint: hintFor(first, plan),
    cause: report,
  });
}

/** `file:line`, null when the message has no place. esbuild's report has the column too. @param {import("esbuild").Message} message */
export function placeOf({ location }) {
  return location === null || location === undefined ? null : `${location.file}:${location.line}`;
}

/** A warning in one line. @param {import("esbuild").Message} message */
export function warningText(message) {
  const place = placeOf(message);
  return place === null ? message.text : `${place} ${message.text}`;
}

/** esbuild advises its own command line's options, which are not the user's to set. */
function withoutAdvice(message) {
  return { ...message, notes: message.notes.filter(({ text }) => !/as external|platform: "node"|--platform/.test(text)) };
}

function hintFor({ text }, plan) {
  const specifier = UNRESOLVED.exec(text)?.[1];
  if (specifier === undefined) return null;
  if (/^\.{0,2}\//.test(specifier)) return "there is no such file: correct the path";
  if (BUILTIN_NAMES.includes(specifier)) return 'add "nodejs_compat" to "compatibility_flags" in the wrangler file: it is a module of Node';
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)[0];
  if (!/^(?:@[\w.-]+\/)?[\w.-]+$/.test(name))
    return 'correct the import, or say in tsconfig.json ("paths") or "alias" of the wrangler file what it means';
  return declaredPackages(plan.root).has(name)
    ? "npm install   (package.json names it, and it is not installed)"
    : `${adder(plan.root)} ${name}`;
}

function adder(root) {
  const lock = lockFiles(root).find((path) => existsSync(path));
  return ADD.find(([pattern]) => pattern.test(lock ?? ""))?.[1] ?? "npm install";
}

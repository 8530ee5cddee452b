/** `node:cluster` of the platform: nothing can be forked. */

import cluster from "node:cluster";
import { missing } from "./not_implemented.mjs";

export * from "node:cluster";

export const fork = missing("cluster.fork");

export default { ...cluster, fork };

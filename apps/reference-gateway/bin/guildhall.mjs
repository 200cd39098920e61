#!/usr/bin/env node
/** The command `guildhall`, on any Node from 20: finds Node 26 and runs the program from its sources. */
import path from "node:path"
import { become, ensureInstalled, fail, root } from "../../../tools/Runtime.mjs"

ensureInstalled()
  .then((node) => become(node, [path.join(root, "apps/reference-gateway/src/main.ts"), ...process.argv.slice(2)]))
  .catch(fail)

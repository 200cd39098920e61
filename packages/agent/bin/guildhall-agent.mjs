#!/usr/bin/env node
/** The command `guildhall-agent`: as it was built or, in the repository, from its sources on Node 26. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const here = (file) => new URL(file, import.meta.url)
const runtime = here("../../../tools/Runtime.mjs")

// Tests are never published, so where they are this is the repository, whose build may be an old one.
if (existsSync(here("../test")) && existsSync(runtime)) {
  const { become, ensureInstalled, fail } = await import(runtime.href)
  const main = fileURLToPath(here("../src/main.ts"))
  await ensureInstalled()
    .then((node) => become(node, [main, ...process.argv.slice(2)]))
    .catch(fail)
} else await import(here("../dist/main.js").href)

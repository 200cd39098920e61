/**
 * Lets the processes that tests start share what Node compiled of the sources, which is half of what starting them costs. It
 * lives in a folder of this run and is thrown away with it.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"

/** Makes the folder; answers how to remove it. */
export default function setup(): () => void {
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-compiled-"))
  // Node reads it where a process starts: workers and what they spawn inherit it.
  process.env["NODE_COMPILE_CACHE"] = folder
  return () => rmSync(folder, { recursive: true, force: true })
}

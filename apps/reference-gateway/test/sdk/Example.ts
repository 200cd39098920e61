/** Runs the examples of docs/clients.md against a test's market. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import * as Matrix from "./Matrix.ts"
import type { SdkMarket } from "./SdkMarket.ts"

/** From here the clients are found. */
const root = path.join(import.meta.dirname, "../../../..")

/** Runs the example under a heading as a program, and answers what it printed. */
export const run = async (heading: string, market: SdkMarket): Promise<string> => {
  const code = Matrix.example(heading, { url: market.url, key: market.key, model: market.model("chat/completions") })
  const args = ["--input-type=module-typescript", "--eval", code]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  let errors = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
  await once(child, "close")
  if (child.exitCode !== 0) throw new Error(`The example under "${heading}" failed:\n${errors}`)
  return output.replace(/\n$/, "")
}

/**
 * Runs the programs that the pack check needs, and fails with their whole output.
 */
import { spawn } from "node:child_process"

const run = (cwd: string, file: string, args: ReadonlyArray<string>, shell = false): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(file, [...args], { cwd, shell, stdio: ["ignore", "pipe", "pipe"] })
    const output: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk))
    child.once("error", reject)
    child.once("close", (code) => {
      const text = Buffer.concat(output).toString()
      if (code === 0) resolve(text)
      else reject(new Error(`${text.trimEnd()}\n(${[file, ...args].join(" ").slice(0, 300)} ended with ${code})`))
    })
  })

/** Runs a program with the Node that runs this one, without any condition of this repository. */
export const runNode = (cwd: string, args: ReadonlyArray<string>): Promise<string> => run(cwd, process.execPath, args)

/** Runs npm: the one that started this program where it says so, else the one that is found. */
export const runNpm = (cwd: string, args: ReadonlyArray<string>): Promise<string> => {
  const entry = process.env["npm_execpath"]
  if (entry !== undefined && /npm-cli\.c?js$/.test(entry)) return runNode(cwd, [entry, ...args])
  return process.platform === "win32" ? run(cwd, "npm.cmd", args, true) : run(cwd, "npm", args)
}

/**
 * Makes programs of the examples in the documentation, so that they can be type-checked and run. The test
 * `tools/test/docs.test.ts` does both; as a program this only writes them, to look at.
 *
 * `node tools/docs.ts`
 */
import { spawn } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import type { Example } from "./docs/Example.ts"
import { collect, program } from "./docs/Example.ts"
import { line } from "./Terminal.ts"
import { root } from "./Workspace.ts"

/** An example and the program that was written of it. Line `n` of the example is line `n + 1` of the program. */
export interface Program {
  readonly example: Example
  readonly file: string
}

/** Where the programs are written: inside the repository, so that its packages resolve to their sources. */
const folder = path.join(root, ".examples")

const nameOf = ({ file, line: at }: Example): string =>
  `${file.replace(/\.\w+$/, "").replace(/[^\w-]+/g, "-")}-${at}.ts`

const header = `import { deepStrictEqual as equal } from "node:assert/strict"; void equal`

/** Writes a program for each example that has code. Examples that do not parse are written as they are. */
export const write = (): ReadonlyArray<Program> => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const config = {
    extends: "../tsconfig.base.json",
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ["*.ts"],
  }
  writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config))
  return collect(root).map((example) => {
    const file = path.join(folder, nameOf(example))
    writeFileSync(file, `${header}\n${safely(example.code)}\n`)
    return { example, file }
  })
}

const safely = (code: string): string => {
  try {
    return program(code)
  } catch {
    // The compiler says better than the parser what is wrong with it.
    return code
  }
}

/** Type-checks all programs in one go; the complaints by file, with the lines of the documents. */
export const typeErrors = (programs: ReadonlyArray<Program>): Promise<ReadonlyMap<string, string>> =>
  new Promise((resolve, reject) => {
    const tsc = path.join(root, "node_modules/typescript/bin/tsc")
    const child = spawn(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { cwd: folder })
    const output: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk))
    child.once("error", reject)
    child.once("close", () => {
      const found = new Map<string, string>()
      for (const text of Buffer.concat(output).toString().split("\n")) {
        const [, name = "", at = "0", message = ""] = /^([^(\s]+)\((\d+),\d+\): (.*)$/.exec(text) ?? []
        const one = programs.find(({ file }) => path.basename(file) === name)
        if (one === undefined) continue
        const where = `${one.example.file}:${one.example.line + Number(at) - 2}`
        found.set(one.file, `${found.get(one.file) ?? ""}${where} ${message}\n`)
      }
      resolve(found)
    })
  })

if (import.meta.main)
  for (const { example, file } of write()) line(`${example.file}:${example.line} → ${path.relative(root, file)}`)

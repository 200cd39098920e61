/**
 * The rules of the house as the linter applies them to a package's sources.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { root } from "../Workspace.ts"

const documented = (source: string): string => source.replace(/^export /gm, "/** A part. @since 0.1.0 */ export ")

/** The rules that a source text of a package breaks, in order. */
const lint = (source: string): ReadonlyArray<string> => {
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-lint-"))
  try {
    mkdirSync(path.join(folder, "packages/shop/src"), { recursive: true })
    writeFileSync(path.join(folder, "packages/shop/src/Till.ts"), source)
    const oxlint = path.join(root, "node_modules/oxlint/bin/oxlint")
    // The patterns in the settings are relative to their file, so it is copied beside the source.
    const settings = readFileSync(path.join(root, ".oxlintrc.json"), "utf8")
    writeFileSync(path.join(folder, ".oxlintrc.json"), settings.replace("./tools/", `${root}/tools/`))
    const args = [oxlint, "-f", "json", "packages"]
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" })
    assert.isTrue(stdout.startsWith("{"), stdout + stderr)
    const report: { readonly diagnostics: ReadonlyArray<{ readonly code: string }> } = JSON.parse(stdout)
    return report.diagnostics.map(({ code }) => code).sort()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const lintDocumented = (source: string): ReadonlyArray<string> => lint(documented(source))

describe("lint", () => {
  it("accepts amounts that are bigint", () => {
    assert.deepStrictEqual(lintDocumented(`export interface Charge {\n  readonly amount: bigint\n}\n`), [])
  })

  it("refuses amounts that are numbers, in types and in schemas", () => {
    const source = [
      `import * as Schema from "effect/Schema"`,
      `export interface Charge { readonly chargeAmount: number }`,
      `export const charge = (amount: number | undefined) => amount`,
      `export const Charge = Schema.Struct({ amount: Schema.optionalKey(Schema.Number) })`,
      "",
    ].join("\n")
    assert.deepStrictEqual(
      lintDocumented(source),
      Array.from({ length: 3 }, () => "guildhall(no-number-amount)"),
    )
  })

  it("refuses any, assertions through unknown, and non-null assertions", () => {
    assert.deepStrictEqual(lintDocumented(`export const f = (x: any) => x\n`), ["typescript(no-explicit-any)"])
    assert.deepStrictEqual(lintDocumented(`export const f = (x: bigint) => x as unknown as string\n`), [
      "guildhall(no-double-assertion)",
    ])
    assert.deepStrictEqual(lintDocumented(`export const f = (x: string | undefined) => x!\n`), [
      "typescript(no-non-null-assertion)",
    ])
  })

  it("refuses the machine's clock, chance, timers and console", () => {
    const source = `export const f = () => [Date.now(), new Date(), Math.random(), setTimeout(f, 1), performance.now()]\n`
    assert.deepStrictEqual(
      lintDocumented(source),
      Array.from({ length: 5 }, () => "guildhall(no-ambient)"),
    )
    assert.deepStrictEqual(lintDocumented(`export const f = () => console.log(1)\n`), ["eslint(no-console)"])
  })

  it("takes an exception only with a reason", () => {
    const excepted = (reason: string) =>
      `// oxlint-disable-next-line guildhall/no-ambient${reason}\nexport const f = () => performance.now()\n`
    assert.deepStrictEqual(lintDocumented(excepted(" -- measures the byte path itself")), [])
    assert.deepStrictEqual(lintDocumented(excepted("")), ["guildhall(reasoned-disable)"])
  })

  it("refuses a public export without JSDoc", () => {
    assert.deepStrictEqual(lint(`export const a = 1\n`), ["guildhall(documented-export)"])
    assert.deepStrictEqual(lint(`/** One. */\nexport const a = 1\n`), ["guildhall(documented-export)"])
    assert.deepStrictEqual(lint(`/**\n * One.\n *\n * @since 0.1.0\n */\nexport const a = 1\n`), [])
  })
})

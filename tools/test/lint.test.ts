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
const lint = (source: string, file = "packages/shop/src/Till.ts"): ReadonlyArray<string> => {
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-lint-"))
  try {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true })
    writeFileSync(path.join(folder, file), source)
    const oxlint = path.join(root, "node_modules/oxlint/bin/oxlint")
    // The patterns in the settings are relative to their file, so it is copied beside the source.
    const settings = readFileSync(path.join(root, ".oxlintrc.json"), "utf8")
    writeFileSync(path.join(folder, ".oxlintrc.json"), settings.replace("./tools/", `${root}/tools/`))
    const args = [oxlint, "-f", "json", file]
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

  it("knows amounts by their names, and numbers in all their forms", () => {
    const names = [
      "balance",
      "held",
      "drawn",
      "owed",
      "floor",
      "ceiling",
      "credits",
      "debits",
      "carriedIn",
      "openBalance",
    ]
    const refused = (lines: ReadonlyArray<string>): void =>
      assert.deepStrictEqual(
        lintDocumented(`import * as Schema from "effect/Schema"\nexport { Schema }\n${lines.join("\n")}\n`),
        lines.map(() => "guildhall(no-number-amount)"),
      )
    refused(names.map((name, at) => `export interface Account${at} { readonly ${name}: number | null }`))
    refused([
      `export const sum = (amounts: ReadonlyArray<number>) => amounts`,
      `export const add = (amounts: number[]) => amounts`,
      `export const open = (floor?: number) => floor`,
      `export const fund = (amount = 0) => amount`,
      `export interface Payout { readonly minimum: number }`,
      `export const Payout = Schema.Struct({ minimum: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))) })`,
      `export const Account = Schema.Struct({ floor: Schema.NullOr(Schema.Number) })`,
    ])
  })

  it("leaves numbers that are no amounts", () => {
    const source = [
      `import * as Schema from "effect/Schema"`,
      `export const between = (minimum: number, maximum: number) => maximum - minimum`,
      `export const Days = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 9 })))`,
      `export interface Page { readonly limit: number; readonly credit: bigint; readonly scale: number }`,
      `export const half = (amount: bigint, scale = 2) => amount / BigInt(scale)`,
      "",
    ].join("\n")
    assert.deepStrictEqual(lintDocumented(source), [])
  })

  it("refuses legs that are made by hand, but in the ledger and in tests", () => {
    const source = `export const posting = { kind: "charge", legs: [] }\n`
    const refused = ["guildhall(no-handmade-legs)"]
    assert.deepStrictEqual(lintDocumented(source), refused)
    assert.deepStrictEqual(lint(source, "apps/shop/src/Till.ts"), refused)
    assert.deepStrictEqual(lint(source, "examples/shop/main.ts"), refused)
    assert.deepStrictEqual(lintDocumented(`export const f = (legs: string) => ({ legs })\n`), refused)
    assert.deepStrictEqual(lintDocumented(`export const f = (x: object) => ({ ...x, "legs": [] })\n`), refused)
    assert.deepStrictEqual(lint(documented(source), "packages/ledger/src/Till.ts"), [])
    assert.deepStrictEqual(lint(source, "packages/shop/test/Till.test.ts"), [])
  })

  it("leaves legs that are only read or described", () => {
    const source = [
      `import * as Schema from "effect/Schema"`,
      `export const count = ({ legs }: { readonly legs: ReadonlyArray<string> }) => legs.length`,
      `export const Posting = Schema.Struct({ legs: Schema.Array(Schema.String).pipe(Schema.check(Schema.isMinLength(2))) })`,
      "",
    ].join("\n")
    assert.deepStrictEqual(lintDocumented(source), [])
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

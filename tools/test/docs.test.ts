/**
 * Runs the examples of the documentation. `expression // => value` in an example asserts that the two are deeply equal.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { program } from "../docs/Example.ts"
import { broken } from "../docs/Links.ts"
import { typeErrors, write } from "../docs.ts"
import { format } from "../Problem.ts"
import { root } from "../Workspace.ts"

const programs = write()
let errors: ReadonlyMap<string, string> = new Map()

beforeAll(async () => {
  errors = await typeErrors(programs)
})

describe("examples", () => {
  it("exist", () => assert.isAbove(programs.length, 10))

  for (const { example, file } of programs) {
    it(`${example.file}:${example.line}${example.onlyTypes === undefined ? "" : ` (types only: ${example.onlyTypes})`}`, async () => {
      assert.strictEqual(example.complaint, undefined)
      assert.strictEqual(errors.get(file), undefined)
      if (example.onlyTypes === undefined) await import(file)
    })
  }
})

describe("Markdown", () => {
  it("names only places that exist", () => assert.deepStrictEqual(broken(root).map(format), []))
})

describe("the runner of examples", () => {
  it("compares an expression with the value behind it, on the same line or the next", () => {
    assert.strictEqual(program("f(1) // => 2"), "equal((f(1)), (2)) // => 2")
    assert.strictEqual(
      program("f({\n  a: 1,\n})\n// => { a: 1 }"),
      "equal((f({\n  a: 1,\n})), ({ a: 1 }))\n// => { a: 1 }",
    )
    assert.strictEqual(program('f("é") // => "→"\ng()'), 'equal((f("é")), ("→")) // => "→"\ng()')
  })

  it("compares a constant with the value behind it", () => {
    assert.strictEqual(program("const a = f() // => 1"), "const a = f(); equal(a, (1)) // => 1")
  })

  it("leaves everything else alone", () => {
    const code = 'import { f } from "f"\nconst b = await f() // 2\n// => 3 of another thing'
    assert.strictEqual(program(code), code)
  })
})

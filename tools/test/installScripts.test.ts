import { assert, describe, it } from "@effect/vitest"
import { check } from "../installScripts.ts"
import { withRepository } from "./Repository.ts"

const lock = {
  packages: {
    "": {},
    "node_modules/quiet": { version: "1.0.0" },
    "node_modules/@some/loud": { version: "2.0.0", hasInstallScript: true },
  },
}

const problems = (allowScripts: Readonly<Record<string, boolean>>, reasons: string): ReadonlyArray<string> =>
  withRepository(
    {
      "package.json": { name: "fixture", workspaces: [], allowScripts },
      "package-lock.json": lock,
      "docs/decisions/0003-install-scripts.md": reasons,
    },
    (base) => check(base).map(({ message }) => message),
  )

describe("install scripts", () => {
  it("accepts scripts that are listed with a reason, allowed or not", () => {
    assert.deepStrictEqual(problems({ "@some/loud@2.0.0": true }, "`@some/loud` because"), [])
    assert.deepStrictEqual(problems({ "@some/loud": false }, "`@some/loud` because"), [])
  })

  it("refuses one that is not listed, one without a reason, and an entry for another version", () => {
    assert.include(problems({}, "`@some/loud`")[0], "has an install script")
    assert.include(problems({ "@some/loud": false }, "")[0], "does not say why")
    const outdated = problems({ "@some/loud@1.0.0": true }, "`@some/loud`")
    assert.isTrue(outdated.some((one) => one.includes("not installed in that version")))
  })
})

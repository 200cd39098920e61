import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Binaries from "../src/embedded/Binaries.ts"

/** A package as npm unpacks it when install scripts are off: with a list of links, and without the links. */
const makePackage = () => {
  const root = mkdtempSync(path.join(tmpdir(), "guildhall-binaries-"))
  const native = path.join(root, "package/native")
  for (const directory of ["bin", "lib"]) mkdirSync(path.join(native, directory), { recursive: true })
  writeFileSync(path.join(native, "bin/postgres"), "program", { mode: 0o700 })
  writeFileSync(path.join(native, "lib/libx.so.1.2"), "library", { mode: 0o600 })
  writeFileSync(path.join(native, "lib/libx.a"), "archive")
  const links = ["libx.so", "libx.so.1"].map((name) => ({
    source: "native/lib/libx.so.1.2",
    target: `native/lib/${name}`,
  }))
  writeFileSync(path.join(native, "pg-symlinks.json"), JSON.stringify(links))
  const binaries: Binaries.Binaries = { native, version: "18.0.0" }
  return { root, binaries, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

describe("Binaries", () => {
  it.effect("finds the programs of this machine", () =>
    Effect.gen(function* () {
      const found = yield* Binaries.find
      assert.isTrue(existsSync(Binaries.program(found, "initdb")))
      assert.match(found.version, /^\d+\./)
    }),
  )

  it.effect("makes the links that the install script did not, and leaves those that are there", () =>
    Effect.gen(function* () {
      using installed = makePackage()
      const lib = path.join(installed.binaries.native, "lib")
      symlinkSync("elsewhere", path.join(lib, "libx.so"))
      assert.isTrue(yield* Binaries.completeLinks(installed.binaries))
      assert.strictEqual(readlinkSync(path.join(lib, "libx.so")), "elsewhere")
      assert.strictEqual(readlinkSync(path.join(lib, "libx.so.1")), "libx.so.1.2")
      assert.isTrue(yield* Binaries.completeLinks(installed.binaries))
    }),
  )

  it.effect("a copy can be read by everybody, has what running needs, and is made once", () =>
    Effect.gen(function* () {
      using installed = makePackage()
      const target = path.join(installed.root, "copies")
      const copy = yield* Binaries.copyTo(installed.binaries, target)
      assert.strictEqual(copy.native, path.join(target, "postgres-18.0.0"))
      assert.strictEqual(statSync(path.join(copy.native, "bin/postgres")).mode & 0o777, 0o755)
      assert.strictEqual(statSync(path.join(copy.native, "lib/libx.so.1.2")).mode & 0o777, 0o644)
      assert.isFalse(existsSync(path.join(copy.native, "lib/libx.a")))
      chmodSync(path.join(copy.native, "bin/postgres"), 0o700)
      yield* Binaries.copyTo(installed.binaries, target)
      assert.strictEqual(statSync(path.join(copy.native, "bin/postgres")).mode & 0o777, 0o700)
    }),
  )

  it.effect("a copy of a package without links gets them", () =>
    Effect.gen(function* () {
      using installed = makePackage()
      const copy = yield* Binaries.copyTo(installed.binaries, path.join(installed.root, "copies"))
      const link = path.join(copy.native, "lib/libx.so")
      assert.isUndefined(lstatSync(link, { throwIfNoEntry: false }))
      assert.isTrue(yield* Binaries.completeLinks(copy))
      assert.strictEqual(readlinkSync(link), "libx.so.1.2")
    }),
  )
})

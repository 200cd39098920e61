import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Path } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import * as KeyRing from "../src/KeyRing.ts"
import * as KeyRingFile from "../src/KeyRingFile.ts"
import * as KeyRingSeeds from "../src/KeyRingSeeds.ts"
import * as KeyRingTest from "../src/testing/KeyRingTest.ts"
import * as DiskFileSystem from "./DiskFileSystem.ts"

const crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const root = mkdtempSync(join(tmpdir(), "guildhall-keys-"))
afterAll(() => rmSync(root, { recursive: true }))

let directories = 0
const fresh = () => join(root, `ring-${directories++}`, "keys")
const layer = (directory: string) =>
  KeyRingFile.layer({ directory }).pipe(Layer.provide([DiskFileSystem.layer, Path.layer, crypto]))
const payload = new TextEncoder().encode("payload")

KeyRingTest.suite("file", layer(fresh()))

describe("KeyRingFile", () => {
  it.effect("keeps its keys over a restart, readable by the owner only", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const signature = yield* KeyRing.KeyRing.use((ring) => ring.sign("receipt", payload)).pipe(
        Effect.provide(layer(directory)),
      )
      const files = readdirSync(directory)
      assert.lengthOf(files, KeyRing.KeyPurpose.literals.length)
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
      for (const file of files) assert.strictEqual(statSync(join(directory, file)).mode & 0o777, 0o600)
      yield* Effect.gen(function* () {
        const ring = yield* KeyRing.KeyRing
        assert.isTrue(yield* ring.verify("receipt", payload, signature))
        assert.strictEqual((yield* ring.sign("receipt", payload)).keyId, signature.keyId)
        yield* ring.rotate("receipt")
        assert.lengthOf(yield* ring.list, KeyRing.KeyPurpose.literals.length + 1)
      }).pipe(Effect.provide(layer(directory)))
      assert.lengthOf(readdirSync(directory), KeyRing.KeyPurpose.literals.length + 1)
    }),
  )

  it.effect("starts with what a crash has left: an unfinished file is no key", () =>
    Effect.gen(function* () {
      const directory = fresh()
      yield* KeyRing.KeyRing.use((ring) => ring.list).pipe(Effect.provide(layer(directory)))
      writeFileSync(join(directory, ".receipt-00.unfinished"), '{"version":1,')
      const keys = yield* KeyRing.KeyRing.use((ring) => ring.list).pipe(Effect.provide(layer(directory)))
      assert.lengthOf(keys, KeyRing.KeyPurpose.literals.length)
    }),
  )

  it.effect("refuses a file that is no key, by name and without showing it", () =>
    Effect.gen(function* () {
      const directory = fresh()
      yield* KeyRing.KeyRing.use((ring) => ring.list).pipe(Effect.provide(layer(directory)))
      const [file = ""] = readdirSync(directory)
      const text = readFileSync(join(directory, file), "utf8")
      writeFileSync(join(directory, file), text.replace(/"seed":"..../, '"seed":"short'))
      const error = yield* Effect.flip(KeyRing.KeyRing.use((ring) => ring.list).pipe(Effect.provide(layer(directory))))
      assert.strictEqual(error.reason, "Corrupt")
      assert.include(error.message, file)
      const { seed }: { readonly seed: string } = JSON.parse(text)
      assert.notInclude(error.message, seed.slice(8))
    }),
  )

  it.effect("says which directory it cannot use", () =>
    Effect.gen(function* () {
      const directory = join(root, "a-file")
      writeFileSync(directory, "")
      const error = yield* Effect.flip(KeyRing.KeyRing.use((ring) => ring.list).pipe(Effect.provide(layer(directory))))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, directory)
    }),
  )
})

const seed = (fill: number) => Buffer.alloc(32, fill).toString("base64url")
const seeds = (receipt: string) =>
  KeyRingSeeds.layerConfig().pipe(
    Layer.provide(crypto),
    Layer.provide(
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({
          GUILDHALL_KEY_RECEIPT: receipt,
          GUILDHALL_KEY_TICKET: seed(2),
          GUILDHALL_KEY_CHECKPOINT: seed(3),
          GUILDHALL_KEY_WARNING: seed(5),
        }),
      ),
    ),
  )

KeyRingTest.suite("seeds", seeds(seed(1)), {
  skip: [{ test: 5, reason: "its keys come from the configuration, and it cannot make any" }],
})

describe("KeyRingSeeds", () => {
  it.effect("signs with the last seed and verifies with all", () =>
    Effect.gen(function* () {
      const before = yield* KeyRing.KeyRing.use((ring) => ring.sign("receipt", payload)).pipe(
        Effect.provide(seeds(seed(1))),
      )
      yield* Effect.gen(function* () {
        const ring = yield* KeyRing.KeyRing
        assert.isTrue(yield* ring.verify("receipt", payload, before))
        assert.notStrictEqual((yield* ring.sign("receipt", payload)).keyId, before.keyId)
        const [old, current] = (yield* ring.list).filter((key) => key.purpose === "receipt")
        assert.strictEqual(old?.validUntilMs, Date.UTC(2026, 9, 1))
        assert.strictEqual(current?.validFromMs, Date.UTC(2026, 9, 1))
      }).pipe(Effect.provide(seeds(`${seed(1)},${seed(4)}@2026-10-01`)))
    }),
  )

  it.effect("cannot rotate, and says who can", () =>
    Effect.gen(function* () {
      const ring = yield* KeyRing.KeyRing
      const error = yield* Effect.flip(ring.rotate("receipt"))
      assert.strictEqual(error.reason, "ReadOnly")
      assert.include(error.message, "put a new seed behind the others")
    }).pipe(Effect.provide(seeds(seed(1)))),
  )

  it.effect.each([
    { name: "too short", text: "c2hvcnQ" },
    { name: "no base64url", text: "!".repeat(43) },
    { name: "a date that is none", text: `${seed(1)}@soon` },
  ])("refuses a seed: $name", ({ text }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(KeyRing.KeyRing.use((ring) => ring.list).pipe(Effect.provide(seeds(text))))
      assert.strictEqual(error._tag, "KeyRingError")
      assert.include(error.message, 'The seed for "receipt"')
      assert.notInclude(error.message, seed(1))
    }),
  )
})

import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect, Exit, FileSystem, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { SecureRandom, Signature } from "effect/crypto"
import * as KeyRing from "@guildhall/core/KeyRing"
import * as Receipt from "@guildhall/core/Receipt"
import * as Commitment from "../src/Commitment.ts"
import * as ReceiptCommand from "../src/ReceiptCommand.ts"
import * as ReceiptSeal from "../src/ReceiptSeal.ts"
import * as SampleEntry from "../src/testing/SampleEntry.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Live = Layer.mergeAll(KeyRing.layerMemory.pipe(Layer.provideMerge(Crypto)), NodeServices.layer)
const receiptText = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Receipt.SignedReceipt)))
const body = new TextEncoder().encode('{"messages":[]}')

/** Stands for what is known of devices elsewhere: a text holds where it is "good". */
const statements: ReceiptCommand.Statements = (_receipt, { commitment, usage }) => [
  ...(commitment === undefined ? [] : [{ name: "commitment" as const, holds: commitment === "good", detail: "told" }]),
  ...(usage === undefined ? [] : [{ name: "usage" as const, holds: usage === "good", detail: "told" }]),
]

/** A folder with a receipt, its request and the keys; and a runner that answers the exit and what was printed. */
const desk = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const ring = yield* KeyRing.KeyRing
  const folder = yield* fs.makeTempDirectoryScoped()
  const { id, receipt, salts } = SampleEntry.ended()
  const committed = { ...receipt, requestCommitment: Commitment.commit(salts.request, body) }
  const leaf = ReceiptSeal.leafOf(committed)
  const { batch } = yield* ReceiptSeal.seal([{ entryId: id, leaf }], {
    market: "local",
    batchId: "bat_1",
    nowMs: 1_750_000_001_000,
  })
  const signed = ReceiptSeal.signed({ receipt: committed, salts }, { batch, leaves: [leaf], index: 0 })
  yield* fs.writeFileString(`${folder}/receipt.json`, receiptText(signed))
  yield* fs.writeFile(`${folder}/request.json`, body)
  yield* fs.writeFileString(`${folder}/forged.json`, receiptText({ ...signed, receipt: { ...receipt, charge: 1n } }))
  yield* fs.writeFileString(`${folder}/keys.json`, JSON.stringify({ keys: yield* ring.list }))
  const run = (...args: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const printed: Array<string> = []
      const console = yield* Console.Console
      const exit = yield* Command.runWith(ReceiptCommand.make(statements), { version: "0.0.0" })([
        "verify",
        ...args,
      ]).pipe(
        Effect.provideService(Console.Console, {
          ...console,
          log: (...texts: ReadonlyArray<unknown>) => void printed.push(texts.join(" ")),
          error: (...texts: ReadonlyArray<unknown>) => void printed.push(texts.join(" ")),
        }),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ GUILDHALL_HOME: `${folder}/home` }))),
        Effect.exit,
      )
      return { exit, printed: printed.join("\n") }
    })
  return { fs, folder, run, receipt }
})

describe("receipt verify", () => {
  it.effect.skipIf(process.platform === "win32")("reads no more than a receipt can be of what has no end", () =>
    Effect.gen(function* () {
      const { folder, run } = yield* desk
      const { exit, printed } = yield* run("/dev/zero", "--keys", `${folder}/keys.json`)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(`${printed}${exit}`, `"/dev/zero" is larger than 4194304 bytes. Is it the right file?`)
    }).pipe(Effect.provide(Live)),
  )

  it.effect("prints one line for each check, and succeeds where all hold", () =>
    Effect.gen(function* () {
      const { folder, run, receipt } = yield* desk
      const { exit, printed } = yield* run(
        `${folder}/receipt.json`,
        "--keys",
        `${folder}/keys.json`,
        "--request",
        `${folder}/request.json`,
      )
      assert.isTrue(Exit.isSuccess(exit), printed)
      assert.include(printed, `receipt ${receipt.id}`)
      assert.include(printed, "0.00002 USD")
      assert.lengthOf(printed.match(/^ {2}ok {6}/gm) ?? [], 7)
      assert.include(printed, "The receipt holds.")
    }).pipe(Effect.provide(Live)),
  )

  it.effect("checks what the device has signed, where its files are given", () =>
    Effect.gen(function* () {
      const { folder, fs, run } = yield* desk
      yield* fs.writeFileString(`${folder}/good`, "good")
      yield* fs.writeFileString(`${folder}/bad`, "bad")
      const args = [`${folder}/receipt.json`, "--keys", `${folder}/keys.json`]
      const good = yield* run(...args, "--commitment", `${folder}/good`, "--usage", `${folder}/good`)
      assert.isTrue(Exit.isSuccess(good.exit), good.printed)
      assert.match(good.printed, /ok {6}commitment {2}told\n {2}ok {6}usage/)
      const bad = yield* run(...args, "--commitment", `${folder}/good`, "--usage", `${folder}/bad`)
      assert.isTrue(Exit.isFailure(bad.exit))
      assert.match(bad.printed, /FAILED {2}usage/)
    }).pipe(Effect.provide(Live)),
  )

  it.effect("finds the keys in the market's home, and beside the receipt where there is no home", () =>
    Effect.gen(function* () {
      const { fs, folder, run } = yield* desk
      const without = yield* run(`${folder}/receipt.json`)
      assert.isTrue(Exit.isFailure(without.exit))
      yield* fs.copyFile(`${folder}/keys.json`, `${folder}/guildhall-keys.json`)
      const beside = yield* run(`${folder}/receipt.json`)
      assert.include(beside.printed, `keys from ${folder}/guildhall-keys.json`)
      assert.isTrue(Exit.isSuccess(beside.exit))
      // Who sends a receipt may send keys along: they do not count where the market's own are known.
      yield* fs.makeDirectory(`${folder}/home`)
      yield* fs.writeFileString(`${folder}/home/guildhall-keys.json`, "[]")
      const home = yield* run(`${folder}/receipt.json`)
      assert.match(home.printed, /FAILED {2}key /)
      assert.isTrue(Exit.isFailure(home.exit))
    }).pipe(Effect.provide(Live)),
  )

  it.effect("fails where anything does not hold, also as JSON", () =>
    Effect.gen(function* () {
      const { folder, run } = yield* desk
      const keys = ["--keys", `${folder}/keys.json`]
      const forged = yield* run(`${folder}/forged.json`, ...keys)
      assert.isTrue(Exit.isFailure(forged.exit))
      assert.match(forged.printed, /FAILED {2}inclusion/)
      const json = yield* run(`${folder}/forged.json`, ...keys, "--json")
      assert.isTrue(Exit.isFailure(json.exit))
      assert.isFalse(JSON.parse(json.printed).holds)
      const other = yield* run(`${folder}/receipt.json`, ...keys, "--request", `${folder}/keys.json`)
      assert.match(other.printed, /FAILED {2}request/)
      assert.isTrue(Exit.isFailure(other.exit))
    }).pipe(Effect.provide(Live)),
  )

  it.effect("prints nothing that steers a terminal", () =>
    Effect.gen(function* () {
      const { fs, folder, run } = yield* desk
      const text = yield* fs.readFileString(`${folder}/receipt.json`)
      const value: unknown = JSON.parse(text, (key, member: unknown) =>
        key === "batchId" ? "\u001b[2J\u202e" : member,
      )
      yield* fs.writeFileString(`${folder}/odd.json`, JSON.stringify(value))
      const { printed } = yield* run(`${folder}/odd.json`, "--keys", `${folder}/keys.json`)
      assert.notInclude(printed, "\u001b")
      assert.notInclude(printed, "\u202e")
      assert.include(printed, "FAILED")
    }).pipe(Effect.provide(Live)),
  )

  it.effect("says which file it cannot use", () =>
    Effect.gen(function* () {
      const { folder, run } = yield* desk
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
        [[`${folder}/none.json`], "none.json"],
        [[`${folder}/receipt.json`, "--keys", `${folder}/request.json`], "not a list of a market's keys"],
        [[`${folder}/receipt.json`, "--keys", "https://market.example/keys"], "download it"],
        [[`${folder}/receipt.json`, "--keys", `${folder}/keys.json`, "--request", `${folder}/none`], "none"],
      ]
      for (const [args, expected] of cases) {
        const { exit, printed } = yield* run(...args)
        assert.isTrue(Exit.isFailure(exit))
        assert.include(printed, expected)
      }
    }).pipe(Effect.provide(Live)),
  )
})

import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as KeyRing from "@guildhall/core/KeyRing"
import { ConfigProvider, Console, Effect, Exit, FileSystem, Layer, type Scope } from "effect"
import { Command } from "effect/cli"
import { SecureRandom, Signature } from "effect/crypto"
import { AccountId } from "../src/Account.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerCommand from "../src/LedgerCommand.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))

const outside = AccountId.make("external:card")
const buyer = AccountId.make("buyer:ann")
const idle = AccountId.make("buyer:idle")

/** Books that nobody may ask for. */
const none = Layer.effect(LedgerStore, Effect.die("the books were asked for"))

/**
 * A folder, books of five entries (three accounts, a top-up and its refund), the keys that sign for them, and the command
 * line over them. `offline` is the command line of somebody who has files only.
 */
const setUp = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const ring = yield* Layer.build(Layer.provide(KeyRing.layerMemory, Crypto))
  const store = yield* LedgerStoreMemory.make
  yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(idle),
    Sample.post(outside, buyer, 500n, { idempotencyKey: "top-up-1", kind: "topUp", links: { movement: "mv_1" } }),
    Sample.post(buyer, outside, 20n, { idempotencyKey: "77", kind: "refund" }),
  ])
  const keys = Layer.succeedContext(ring)
  const run = Effect.fnUntraced(function* (
    books: Layer.Layer<LedgerStore>,
    env: Readonly<Record<string, string>>,
    args: ReadonlyArray<string>,
  ) {
    const out: Array<string> = []
    const errors: Array<string> = []
    const console = yield* Console.Console
    const exit = yield* Command.runWith(LedgerCommand.make(Layer.merge(books, keys)), { version: "0.0.0" })(args).pipe(
      Effect.provideService(Console.Console, {
        ...console,
        log: (...texts: ReadonlyArray<unknown>) => void out.push(texts.join(" ")),
        error: (...texts: ReadonlyArray<unknown>) => void errors.push(texts.join(" ")),
      }),
      Effect.provide(NodeServices.layer),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { GUILDHALL_HOME: `${folder}/none`, ...env } }),
      ),
      Effect.exit,
    )
    return { isOk: Exit.isSuccess(exit), out: out.join("\n"), errors: errors.join("\n") }
  })
  const { list, rotate } = yield* Effect.provide(KeyRing.KeyRing, keys)
  const publish = (file: string) =>
    Effect.flatMap(list, (published) => fs.writeFileString(file, JSON.stringify({ keys: published })))
  return {
    fs,
    folder,
    publish,
    rotate,
    onBooks: (...args: ReadonlyArray<string>) => run(Layer.succeed(LedgerStore, store), {}, args),
    offline: (...args: ReadonlyArray<string>) => run(none, {}, args),
    atHome: (home: string, ...args: ReadonlyArray<string>) => run(none, { GUILDHALL_HOME: home }, args),
  }
})

const withFiles = <A, E>(effect: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(NodeServices.layer))

describe("ledger prove, ledger check", () => {
  it.effect("prove an account's last posting to somebody who has the file and the keys only", () =>
    Effect.gen(function* () {
      const { atHome, folder, fs, onBooks, publish } = yield* setUp
      const proof = `${folder}/proof.json`
      const made = yield* onBooks("prove", buyer, "--out", proof)
      assert.isTrue(made.isOk, made.errors)
      const { size } = yield* fs.stat(proof)
      assert.strictEqual(
        made.errors,
        `Written to ${proof}, ${size} bytes. Check it anywhere: guildhall ledger check ${proof} --keys guildhall-keys.json`,
      )
      yield* publish(`${folder}/guildhall-keys.json`)
      const told = yield* atHome(folder, "check", proof)
      assert.isTrue(told.isOk, told.errors)
      const [first, ...rest] = told.out.split("\n")
      assert.strictEqual(first, "entry 5 of book 1: refund 77")
      assert.deepStrictEqual(
        rest.map((line) => line.replace(/checkpoint_\S+/, "KEY")),
        [
          "  posted 1970-01-01T00:00:00.000Z",
          "  buyer:ann      -20, after it 480",
          "  external:card  20, after it -480",
          "  checkpoint of 5 entries at 1970-01-01T00:00:00.000Z, signed by KEY",
          `  keys from ${folder}/guildhall-keys.json`,
          "",
          "The proof holds: the entry is in the history, and says this. Later entries may have moved the accounts again.",
          "Amounts are in the smallest units of the account's asset.",
        ],
      )
      const json = JSON.parse((yield* atHome(folder, "check", proof, "--json")).out)
      assert.deepInclude(json, {
        holds: true,
        keys: `${folder}/guildhall-keys.json`,
        sequence: "5",
        kind: "refund",
        idempotencyKey: "77",
        hold: null,
        detail: null,
        legs: [
          { account: buyer, amount: "-20", balance: "480" },
          { account: outside, amount: "20", balance: "-480" },
        ],
      })
    }).pipe(withFiles),
  )

  it.effect("prove entries by number and by key, and acts", () =>
    Effect.gen(function* () {
      const { atHome, folder, onBooks, publish } = yield* setUp
      yield* publish(`${folder}/guildhall-keys.json`)
      const checked = Effect.fnUntraced(function* (subject: string) {
        const file = `${folder}/${subject.replaceAll(":", "_")}.json`
        const made = yield* onBooks("prove", subject, "--out", file)
        assert.isTrue(made.isOk, made.errors)
        const { errors, isOk, out } = yield* atHome(folder, "check", file)
        assert.isTrue(isOk, errors)
        return out
      })
      const topUp = yield* checked("4")
      assert.match(topUp, /^entry 4 of book 1: topUp top-up-1\n/)
      assert.include(topUp, `\n  {"links":{"movement":"mv_1"}}\n`)
      assert.strictEqual(yield* checked("top-up-1"), topUp)
      // A number is an entry's number first, and then a key.
      assert.match(yield* checked("77"), /^entry 5 /)
      const opened = yield* checked("2")
      assert.match(opened, /^entry 2 of book 1: Opened ledger:open:buyer:ann\n/)
      assert.include(opened, `"account":"buyer:ann"`)
      assert.match(yield* checked("ledger:open:buyer:idle"), /^entry 3 /)
    }).pipe(withFiles),
  )

  it.effect("print the file where no other is named, and say what is not there", () =>
    Effect.gen(function* () {
      const { folder, onBooks } = yield* setUp
      const { isOk, out } = yield* onBooks("prove", "4")
      assert.isTrue(isOk)
      assert.strictEqual(JSON.parse(out).version, "guildhall-proof-1")
      for (const subject of ["6", "0", "no-such-key", idle]) {
        const { errors, isOk, out } = yield* onBooks("prove", subject)
        assert.isFalse(isOk)
        assert.strictEqual(out, "")
        assert.include(errors, `There is no entry for ${subject}.`)
      }
      const unwritable = yield* onBooks("prove", "4", "--out", `${folder}/no/such/folder.json`)
      assert.isFalse(unwritable.isOk)
      assert.include(unwritable.errors, "cannot be written. Name another file with --out.")
    }).pipe(withFiles),
  )

  it.effect("take the keys by name or from the market's home, never from beside the proof", () =>
    Effect.gen(function* () {
      const { atHome, folder, fs, offline, onBooks, publish, rotate } = yield* setUp
      const proof = `${folder}/proof.json`
      yield* onBooks("prove", "4", "--out", proof)
      // Whoever sends a proof could send keys of its own along.
      yield* publish(`${folder}/guildhall-keys.json`)
      const without = yield* offline("check", proof)
      assert.isFalse(without.isOk)
      assert.include(without.errors, `There is no list of keys at ${folder}/none/guildhall-keys.json.`)
      assert.include(without.errors, "name it with --keys")

      const old = `${folder}/guildhall-keys.json`
      assert.isTrue((yield* atHome(folder, "check", proof)).isOk)
      assert.isTrue((yield* offline("check", proof, "--keys", old)).isOk)
      yield* rotate("checkpoint")
      yield* fs.makeDirectory(`${folder}/home`)
      yield* publish(`${folder}/home/guildhall-keys.json`)
      assert.isTrue((yield* atHome(`${folder}/home`, "check", proof)).isOk)
      yield* onBooks("prove", "4", "--out", proof)
      assert.isTrue((yield* atHome(`${folder}/home`, "check", proof)).isOk)
      const unsigned = yield* offline("check", proof, "--keys", old, "--json")
      assert.isFalse(unsigned.isOk)
      assert.deepInclude(JSON.parse(unsigned.out), { ok: false, reason: "NotSigned" })
    }).pipe(withFiles),
  )

  it.effect("refuse what is not a proof, or no list of keys, without repeating what is in it", () =>
    Effect.gen(function* () {
      const { atHome, folder, fs, onBooks, publish } = yield* setUp
      const [proof, keys, wrong] = [`${folder}/proof.json`, `${folder}/guildhall-keys.json`, `${folder}/wrong`]
      yield* onBooks("prove", buyer, "--out", proof)
      yield* publish(keys)
      const text = yield* fs.readFileString(proof)
      const refused = Effect.fnUntraced(function* (file: string, ...more: ReadonlyArray<string>) {
        const { errors, isOk, out } = yield* atHome(folder, "check", file, ...more)
        assert.isFalse(isOk)
        assert.strictEqual(out, "")
        assert.notInclude(errors, "\u001b")
        assert.notMatch(errors, /\n\s+at /)
        return errors
      })
      const escape = "\u001b[2Jsecret"
      for (const content of ["", "{}", "\u0000\u0001", escape, text.slice(0, 400), "[".repeat(500_000)]) {
        yield* fs.writeFileString(wrong, content)
        assert.include(yield* refused(wrong), "the file is not a proof of this ledger, or was cut off")
        assert.include(yield* refused(proof, "--keys", wrong), `"${wrong}" is not a list of a market's keys`)
      }
      yield* fs.writeFileString(wrong, text.replace(`"480"`, `"481"`).replace(" 480", " 481"))
      assert.include(yield* refused(wrong), "the legs that it shows are not those of the entry")
      yield* fs.writeFileString(
        wrong,
        text.replace(/"keyId":"[^"]*"/, () => `"keyId":${JSON.stringify(escape)}`),
      )
      assert.include(yield* refused(wrong), "no known key signed the checkpoint")
      yield* fs.writeFileString(wrong, "x".repeat(1024 * 1024 + 1))
      assert.include(yield* refused(wrong), "is larger than 1048576 bytes")
      assert.include(yield* refused("/dev/zero"), "is larger than 1048576 bytes")
      assert.include(yield* refused(folder), "is not there, or not a file that you may read")
      assert.include(yield* refused(`${folder}/nothing`), "is not there, or not a file that you may read")
      assert.include(yield* refused(proof, "--keys", `${folder}/nothing`), `"${folder}/nothing" is not there`)
    }).pipe(withFiles),
  )
})

describe("ledger checkpoint, ledger verify --checkpoint", () => {
  it.effect("hold the history to what was signed for this book, and to nothing else", () =>
    Effect.gen(function* () {
      const { folder, fs, onBooks, rotate } = yield* setUp
      const [file, wrong] = [`${folder}/checkpoint.json`, `${folder}/wrong.json`]
      const made = yield* onBooks("checkpoint", "--out", file)
      assert.isTrue(made.isOk)
      const { size } = yield* fs.stat(file)
      assert.include(made.errors, `Written to ${file}, ${size} bytes. Keep it elsewhere`)
      const printed = yield* onBooks("checkpoint")
      assert.strictEqual(`${printed.out}\n`, yield* fs.readFileString(file))
      yield* rotate("checkpoint")
      assert.isTrue((yield* onBooks("verify", "--checkpoint", file)).isOk)

      const refused = Effect.fnUntraced(function* (change: Readonly<Record<string, unknown>>) {
        const plain: Readonly<Record<string, unknown>> = JSON.parse(printed.out)
        yield* fs.writeFileString(wrong, JSON.stringify({ ...plain, ...change }))
        const { isOk, out } = yield* onBooks("verify", "--checkpoint", wrong, "--json")
        assert.isFalse(isOk)
        return String(JSON.parse(out).detail)
      })
      assert.include(yield* refused({ book: 2 }), "is of book 2, and this is book 1")
      assert.include(yield* refused({ size: "4" }), "was not signed by a key of this market, or was changed since")
      assert.include(yield* refused({ atMs: 7 }), "was not signed by a key of this market, or was changed since")
      assert.include(yield* refused({ root: "" }), "is not a checkpoint. Take one with")
    }).pipe(withFiles),
  )
})

describe("ledger", () => {
  it.effect("reaches each of its commands", () =>
    Effect.gen(function* () {
      const { onBooks } = yield* setUp
      assert.include((yield* onBooks("statement", buyer, "--json")).out, `"closing":"480"`)
      assert.include((yield* onBooks("export")).out, "buyer")
      const close = yield* onBooks("close", "2999-01")
      assert.isFalse(close.isOk)
      assert.strictEqual(close.out, "")
      assert.notStrictEqual(close.errors, "")
      for (const name of ["verify", "balances", "statement", "export", "close", "prove", "check", "checkpoint"]) {
        const { isOk, out } = yield* onBooks(name, "--help")
        assert.isTrue(isOk, name)
        assert.include(out, name)
      }
    }).pipe(withFiles),
  )
})

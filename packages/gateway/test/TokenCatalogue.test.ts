import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import path from "node:path"
import { pathToFileURL } from "node:url"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit, FileSystem, Layer } from "effect"
import { Command } from "effect/cli"
import * as CatalogueCommand from "../src/CatalogueCommand.ts"
import * as TokenCatalogue from "../src/TokenCatalogue.ts"
import { TokenCount } from "../src/TokenCount.ts"
import * as CountingThread from "../src/tokens/CountingThread.ts"
import { MODEL } from "./TestLane.ts"
import * as TestTokenizer from "./TestTokenizer.ts"

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))

/** A folder with the test's tokenizer in both forms, and a catalogue beside them that is not there yet. */
const desk = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const at = (name: string) => path.join(folder, name)
  const { config, tokenizer } = TestTokenizer.json()
  yield* fs.writeFile(at("model.gguf"), TestTokenizer.gguf())
  yield* fs.makeDirectory(at("model"))
  yield* fs.writeFile(at("model/tokenizer.json"), bytes(tokenizer))
  yield* fs.writeFile(at("model/tokenizer_config.json"), bytes(config))
  yield* fs.writeFileString(at("plain.jinja"), "{{ messages[0].content }}")
  yield* fs.writeFileString(at("nothing.gguf"), "no model")
  return { fs, at, folder: at("catalogue") }
})

const platform = Layer.merge(NodeServices.layer, NodeCrypto.layer)

const withCatalogue = <A, E, R>(
  folder: string,
  use: (catalogue: TokenCatalogue.TokenCatalogue["Service"]) => Effect.Effect<A, E, R>,
) =>
  Effect.flatMap(Effect.service(TokenCatalogue.TokenCatalogue), use).pipe(
    Effect.provide(TokenCatalogue.layer({ folder }), { local: true }),
  )

describe("TokenCatalogue", () => {
  it.effect("names a tokenizer and a template by the digests of what it keeps", () =>
    Effect.gen(function* () {
      const { at, folder, fs } = yield* desk
      for (const file of ["model.gguf", "model/tokenizer.json"]) {
        const entry = yield* withCatalogue(folder, (catalogue) => catalogue.add(MODEL, at(file)))
        assert.deepStrictEqual(entry.template, sha256(TestTokenizer.TEMPLATE))
        const kept = yield* fs.readFileString(path.join(folder, `${entry.tokenizer}.tokenizer.json`))
        assert.strictEqual(sha256(kept), entry.tokenizer)
        const found = yield* withCatalogue(folder, ({ find }) => Effect.sync(() => find(MODEL)))
        assert.deepStrictEqual(found, entry)
      }
    }).pipe(Effect.provide(platform)),
  )

  it.effect("takes another template where one is given", () =>
    Effect.gen(function* () {
      const { at, folder } = yield* desk
      const add = (template: string | undefined) =>
        withCatalogue(folder, (catalogue) => catalogue.add(MODEL, at("model.gguf"), template))
      const own = yield* add(undefined)
      const given = yield* add(at("plain.jinja"))
      assert.strictEqual(given.template, sha256("{{ messages[0].content }}"))
      assert.strictEqual(given.tokenizer, own.tokenizer)
      const { models } = yield* withCatalogue(folder, ({ list }) => list)
      assert.deepStrictEqual(models, [given])
    }).pipe(Effect.provide(platform)),
  )

  it.effect("refuses what is no tokenizer, and keeps what it had", () =>
    Effect.gen(function* () {
      const { at, folder } = yield* desk
      yield* withCatalogue(folder, (catalogue) =>
        Effect.gen(function* () {
          const entry = yield* catalogue.add(MODEL, at("model.gguf"))
          for (const file of ["nothing.gguf", "missing.gguf", "model/tokenizer_config.json", "missing.json"]) {
            const error = yield* Effect.flip(catalogue.add(MODEL, at(file)))
            assert.strictEqual(error.file, at(file))
          }
          const missing = yield* Effect.flip(catalogue.add(MODEL, at("missing.gguf")))
          assert.include(missing.message, "there is no such file or folder (ENOENT). Give the path of a .gguf file")
          const template = yield* Effect.flip(catalogue.add(MODEL, at("model.gguf"), "/"))
          assert.include(template.message, "it is a folder (EISDIR). Give the path of a chat template.")
          assert.deepStrictEqual(catalogue.find(MODEL), entry)
        }),
      )
    }).pipe(Effect.provide(platform)),
  )
})

describe("guildhall catalogue", () => {
  it.effect("adds and lists models, for people and for programs", () =>
    Effect.gen(function* () {
      const { at, folder } = yield* desk
      const console = yield* Console.Console
      const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const printed: Array<string> = []
        const command = CatalogueCommand.make(TokenCatalogue.layer({ folder }))
        const exit = yield* Command.runWith(command, { version: "0.0.0" })(args).pipe(
          Effect.provideService(Console.Console, {
            ...console,
            log: (...texts: ReadonlyArray<unknown>) => void printed.push(texts.join(" ")),
          }),
          Effect.exit,
        )
        return { exit, printed: printed.join("\n") }
      })
      assert.include((yield* run("list")).printed, "No model")
      const added = yield* run("add", MODEL, at("model.gguf"), "--json")
      const entry: { readonly tokenizer: string } = JSON.parse(added.printed)
      assert.match(entry.tokenizer, /^[0-9a-f]{64}$/)
      const listed = yield* run("list", "--json")
      assert.deepStrictEqual(JSON.parse(listed.printed), { version: 1, models: [entry] })
      assert.include((yield* run("list")).printed, MODEL)
      assert.isTrue(Exit.isFailure((yield* run("add", "not a model", at("model.gguf"))).exit))
      assert.isTrue(Exit.isFailure((yield* run("add", MODEL, at("nothing.gguf"))).exit))
    }).pipe(Effect.provide(platform)),
  )
})

const exchanged = {
  endpoint: "chat/completions" as const,
  request: bytes({ messages: [{ role: "user", content: "hello world" }] }),
  answer: bytes({ choices: [{ index: 0, message: { content: "token" } }] }),
  outputBytes: 5,
}
const EXPECTED = { input: { low: 7, high: 8 }, output: { low: 1, high: 4 } }

/** A thread whose program does what it is told by the endpoint of a job. */
const SCRIPT = `
import { parentPort } from "node:worker_threads"
parentPort.on("message", ({ exchanged }) => {
  const text = Buffer.from(exchanged.request).toString()
  if (text === "crash") process.exit(7)
  if (text === "throw") throw new Error("as it was told")
  if (text === "odd") return parentPort.postMessage({ _tag: "Malformed" })
  if (text === "hang") for (;;) {}
  parentPort.postMessage({ _tag: "Counted", counted: { input: { low: 1, high: 1 }, output: { low: 1, high: 1 } } })
})
`

describe("CountingThread", () => {
  it.live("counts with the files of the catalogue, and with no others", () =>
    Effect.gen(function* () {
      const { at, folder, fs } = yield* desk
      const counts = yield* Effect.forEach(["model.gguf", "model/tokenizer.json"], (file) =>
        Effect.gen(function* () {
          const entry = yield* withCatalogue(folder, (catalogue) => catalogue.add(MODEL, at(file)))
          const tokens = yield* TokenCount
          const request = {
            ...exchanged,
            model: MODEL,
            tokenizerDigest: entry.tokenizer,
            templateDigest: entry.template,
          }
          const counted = yield* tokens.countExact(request)
          const other = yield* Effect.flip(tokens.countExact({ ...request, tokenizerDigest: "0".repeat(64) }))
          assert.strictEqual(other.reason, "NotAvailable")
          assert.deepStrictEqual(yield* tokens.countExact(request), counted)
          return counted
        }).pipe(Effect.provide(CountingThread.layer({ folder }))),
      )
      assert.deepStrictEqual(counts, [EXPECTED, EXPECTED])
      // A file that was changed is not what its name says.
      const entry = yield* withCatalogue(folder, (catalogue) => catalogue.add(MODEL, at("model.gguf")))
      yield* fs.writeFileString(path.join(folder, `${entry.tokenizer}.tokenizer.json`), "{}")
      const error = yield* Effect.gen(function* () {
        const tokens = yield* TokenCount
        const digests = { tokenizerDigest: entry.tokenizer, templateDigest: entry.template }
        return yield* Effect.flip(tokens.countExact({ ...exchanged, ...digests, model: MODEL }))
      }).pipe(Effect.provide(CountingThread.layer({ folder })))
      assert.include(error.message, "is not what its name says")
    }).pipe(Effect.provide(platform)),
  )

  it.live("is begun anew after it crashed or took too long, and nobody else's count is lost", () =>
    Effect.gen(function* () {
      const { at } = yield* desk
      const program = at("thread.mjs")
      writeFileSync(program, SCRIPT)
      const layer = CountingThread.layer({ folder: at(""), timeoutMs: 3_000, program: pathToFileURL(program) })
      yield* Effect.gen(function* () {
        const tokens = yield* TokenCount
        const ask = (text: string) =>
          tokens
            .countExact({
              ...{ endpoint: "completions", model: MODEL, tokenizerDigest: "", templateDigest: undefined },
              ...{ request: Buffer.from(text), answer: Buffer.alloc(0), outputBytes: 0 },
            })
            .pipe(
              Effect.map(({ input }) => input.low),
              Effect.catch(({ reason }) => Effect.succeed(reason)),
            )
        const asked = ["fine", "crash", "fine", "throw", "odd", "fine", "hang", "fine"]
        const answers = yield* Effect.forEach(asked, ask, { concurrency: "unbounded" })
        assert.deepStrictEqual(answers, [1, "Crashed", 1, "Crashed", "Malformed", 1, "Crashed", 1])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(platform)),
  )
})

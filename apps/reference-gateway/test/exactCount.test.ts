/**
 * Exact counts against an independent oracle: llama.cpp itself, on the demo model.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Result } from "effect"
import { getLlama, LlamaLogLevel } from "node-llama-cpp"
import * as DemoModel from "@guildhall/agent/demo/DemoModel"
import { DemoText } from "@guildhall/agent/demo/DemoText"
import * as Gguf from "@guildhall/core/Gguf"
import * as Tokenizer from "@guildhall/core/Tokenizer"
import { TokenCount } from "@guildhall/gateway/TokenCount"
import * as TokenCatalogue from "@guildhall/gateway/TokenCatalogue"
import * as CountingThread from "@guildhall/gateway/tokens/CountingThread"
import * as GgufTokenizer from "@guildhall/gateway/tokens/GgufTokenizer"

const SEED = 20_261_121
const TEXTS = 1_000

/** Numbers below a limit, the same for the same seed. */
const dice = (seed: number) => {
  let state = seed
  return (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const words = DemoText.split(/\s+/)
const ODD = [
  " ",
  "  ",
  "\n",
  "\t",
  "'",
  "é",
  "漢字",
  "🙂",
  "\u00a0",
  "▁",
  "<s>",
  "</s>",
  "123",
  "Abc",
  "xyz",
  "—",
  "\u0301",
]

const randomText = (roll: (limit: number) => number): string =>
  Array.from({ length: roll(40) }, () => {
    const word = roll(3) === 0 ? ODD[roll(ODD.length)] : words[roll(words.length)]
    return `${word ?? ""}${roll(4) === 0 ? "" : " "}`
  }).join("")

/** The model's file, and llama.cpp's own count of a text. */
const oracle = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const file = `${folder}/demo.gguf`
  yield* fs.writeFile(file, DemoModel.build())
  const llama = yield* Effect.acquireRelease(
    Effect.promise(() =>
      getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.disabled }),
    ),
    (llama) => Effect.promise(() => llama.dispose()),
  )
  const model = yield* Effect.promise(() => llama.loadModel({ modelPath: file, vocabOnly: true }))
  return { folder, file, count: (text: string, special: boolean) => model.tokenize(text, special).length }
})

const TEMPLATE =
  "{% for message in messages %}{{ bos_token }}{{ message.role }}: {{ message.content }}{{ eos_token }}{% endfor %}"

describe("Exact counts of the demo model", () => {
  it.live(`are llama.cpp's for ${TEXTS} random texts of the seed ${SEED}`, () =>
    Effect.gen(function* () {
      const { count } = yield* oracle
      const metadata = Result.getOrThrow(Gguf.read(DemoModel.build()))
      const { tokenizer } = Result.getOrThrow(Tokenizer.fromGguf(metadata))
      assert(tokenizer.kind === "gguf")
      const counter = Result.getOrThrow(GgufTokenizer.make(tokenizer.metadata))
      const roll = dice(SEED)
      for (let index = 0; index < TEXTS; index++) {
        const text = randomText(roll)
        for (const special of [false, true]) {
          assert.strictEqual(counter.count(text, { special }), count(text, special), JSON.stringify(text))
        }
      }
    }).pipe(Effect.provide(NodeServices.layer)),
  )

  it.live("are llama.cpp's for whole requests, from the catalogue and in the thread", () =>
    Effect.gen(function* () {
      const { count, file, folder: home } = yield* oracle
      const fs = yield* FileSystem.FileSystem
      const folder = `${home}/catalogue`
      const template = `${home}/template.jinja`
      yield* fs.writeFileString(template, TEMPLATE)
      const roll = dice(SEED)
      yield* Effect.gen(function* () {
        const entry = yield* (yield* TokenCatalogue.TokenCatalogue).add(DemoModel.ID, file, template)
        const tokens = yield* TokenCount
        for (let index = 0; index < 50; index++) {
          const messages = [
            { role: "system", content: "Be brief." },
            { role: "user", content: randomText(roll) },
          ]
          const answer = randomText(roll)
          const { input, output } = yield* tokens.countExact({
            ...{ model: DemoModel.ID, tokenizerDigest: entry.tokenizer, templateDigest: entry.template },
            endpoint: "chat/completions",
            request: Buffer.from(JSON.stringify({ messages })),
            answer: Buffer.from(JSON.stringify({ choices: [{ index: 0, message: { content: answer } }] })),
            outputBytes: Buffer.byteLength(answer),
          })
          const prompt = messages.map(({ content, role }) => `<s>${role}: ${content}</s>`).join("")
          assert.strictEqual(input.low, count(prompt, true))
          assert.strictEqual(output.low, count(answer, false))
        }
      }).pipe(Effect.provide(Layer.merge(TokenCatalogue.layer({ folder }), CountingThread.layer({ folder }))))
    }).pipe(Effect.provide(Layer.merge(NodeServices.layer, NodeCrypto.layer))),
  )
})

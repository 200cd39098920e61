import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Digest from "effect/crypto/Digest"
import { Gguf, Tokenizer } from "@guildhall/core"

const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer)
const u64 = (value: bigint) => Buffer.from(BigUint64Array.of(value).buffer)
const text = (value: string) => Buffer.concat([u64(BigInt(Buffer.byteLength(value))), Buffer.from(value)])
const file = (entries: Readonly<Record<string, Buffer>>, version = 3) =>
  Buffer.concat([
    Buffer.from("GGUF"),
    u32(version),
    u64(0n),
    u64(BigInt(Object.keys(entries).length)),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
  ])
const string = (value: string) => Buffer.concat([u32(8), text(value)])
const strings = (values: ReadonlyArray<string>) =>
  Buffer.concat([u32(9), u32(8), u64(BigInt(values.length)), ...values.map(text)])
const tokens = {
  "general.name": string("one"),
  "tokenizer.ggml.model": string("gpt2"),
  "tokenizer.ggml.tokens": strings(["a", "\ufeffb"]),
  "tokenizer.chat_template": string("{{ messages }}"),
}

describe("Gguf.read", () => {
  it("reads every type", () => {
    const read = Gguf.read(
      file({
        u8: Buffer.concat([u32(0), Buffer.from([200])]),
        i8: Buffer.concat([u32(1), Buffer.from([200])]),
        u16: Buffer.concat([u32(2), Buffer.from([1, 2])]),
        i16: Buffer.concat([u32(3), Buffer.from([255, 255])]),
        u32: Buffer.concat([u32(4), u32(7)]),
        i32: Buffer.concat([u32(5), Buffer.from(Int32Array.of(-7).buffer)]),
        f32: Buffer.concat([u32(6), Buffer.from(Float32Array.of(0.5).buffer)]),
        bool: Buffer.concat([u32(7), Buffer.from([1])]),
        string: string("é"),
        strings: strings(["a", ""]),
        u64: Buffer.concat([u32(10), u64(2n ** 63n)]),
        i64: Buffer.concat([u32(11), Buffer.from(BigInt64Array.of(-5n).buffer)]),
        f64: Buffer.concat([u32(12), Buffer.from(Float64Array.of(1.25).buffer)]),
      }),
    )
    assert.deepStrictEqual(Object.fromEntries(Result.getOrThrow(read)), {
      ...{ u8: 200, i8: -56, u16: 513, i16: -1, u32: 7, i32: -7, f32: 0.5, bool: true, string: "é" },
      ...{ strings: ["a", ""], u64: 2n ** 63n, i64: -5, f64: 1.25 },
    })
  })

  it("says of every shorter file that more of it is needed", () => {
    const whole = file(tokens)
    for (let length = 8; length < whole.length; length++) {
      const read = Gguf.read(whole.subarray(0, length))
      assert(Result.isFailure(read))
      assert.strictEqual(read.failure.reason, "Incomplete", String(length))
    }
  })

  it("reserves nothing for lengths that are not there", () => {
    const huge = Buffer.concat([u32(9), u32(8), u64(2n ** 60n)])
    const read = Gguf.read(file({ huge }))
    assert(Result.isFailure(read))
    assert.strictEqual(read.failure.reason, "Incomplete")
  })

  it("refuses what is no GGUF file of a known version", () => {
    for (const bytes of [Buffer.from("PK\x03\x04 and so on"), file({}, 9), file({ odd: u32(99) })]) {
      const read = Gguf.read(bytes)
      assert(Result.isFailure(read))
      assert.strictEqual(read.failure.reason, "Malformed")
    }
  })
})

describe("Tokenizer", () => {
  const described = (entries: Readonly<Record<string, Buffer>>) =>
    Result.flatMap(Gguf.read(file(entries)), Tokenizer.fromGguf)

  it("takes the tokenizer and the template of a GGUF file, and leaves the rest", () => {
    assert.deepStrictEqual(Result.getOrThrow(described(tokens)), {
      tokenizer: {
        kind: "gguf",
        metadata: { "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a", "\ufeffb"] },
      },
      template: "{{ messages }}",
    })
    assert.isTrue(Result.isFailure(described({ "general.name": string("weights only") })))
  })

  it("takes of a tokenizer.json and its config what decides about tokens", () => {
    const model = { type: "BPE", vocab: { a: 0 }, merges: [] }
    const config = {
      bos_token: "<s>",
      model_max_length: 1e30,
      chat_template: [
        { name: "tool_use", template: "t" },
        { name: "default", template: "d" },
      ],
    }
    const described = Tokenizer.fromJson({ model, truncation: { max_length: 5 } }, config)
    assert.deepStrictEqual(Result.getOrThrow(described), {
      tokenizer: { kind: "json", tokenizer: { model }, config: { bos_token: "<s>" } },
      template: "d",
    })
    assert.isTrue(Result.isFailure(Tokenizer.fromJson(null, {})))
  })

  it.effect("has one digest whatever the order of its file", () =>
    Effect.gen(function* () {
      const digestOf = (entries: Readonly<Record<string, Buffer>>) =>
        Tokenizer.digest(Result.getOrThrow(described(entries)).tokenizer)
      const reversed = Object.fromEntries(Object.entries(tokens).toReversed())
      const digest = yield* digestOf(tokens)
      assert.strictEqual(yield* digestOf({ ...reversed, "general.name": string("two") }), digest)
      assert.notStrictEqual(yield* digestOf({ ...tokens, "tokenizer.ggml.tokens": strings(["a"]) }), digest)
      assert.match(digest, /^[0-9a-f]{64}$/)
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as EventSplitter from "../src/EventSplitter.ts"

const Line = Schema.Literals(["data: x", "data: é€😀", ": ping", "event: error", "data:", "id: 5"])
const Event = Schema.Array(Line).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(4)))
const Case = Schema.Struct({
  events: Schema.Array(Schema.Struct({ lines: Event, crlf: Schema.Boolean })).pipe(Schema.check(Schema.isMaxLength(8))),
  cuts: Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 7 })))),
})

describe("EventSplitter", () => {
  it.effect.prop("gives whole events, unchanged, however the bytes are cut", [Case], ([{ events, cuts }]) =>
    Effect.sync(() => {
      const texts = events.map(({ lines, crlf }) => [...lines, "", ""].join(crlf ? "\r\n" : "\n"))
      const bytes = Buffer.from(texts.join(""))
      const splitter = EventSplitter.make({ maxEventBytes: 1_000 })
      const found: Array<string> = []
      let at = 0
      for (let turn = 0; at < bytes.length; turn++) {
        const size = cuts.length === 0 ? bytes.length : (cuts[turn % cuts.length] ?? 1)
        for (const event of splitter.push(bytes.subarray(at, at + size)) ?? []) found.push(event.toString())
        at += size
      }
      assert.deepStrictEqual(found, texts)
      assert.strictEqual(splitter.rest(), 0)
    }),
  )

  it("ends a line in LF or CRLF, also mixed", () => {
    const splitter = EventSplitter.make({ maxEventBytes: 100 })
    assert.deepStrictEqual(splitter.push(Buffer.from("data: 1\r\n\ndata: 2\n\r\n"))?.map(String), [
      "data: 1\r\n\n",
      "data: 2\n\r\n",
    ])
  })

  it("knows a carriage return inside a line from one at its end", () => {
    const splitter = EventSplitter.make({ maxEventBytes: 100 })
    assert.lengthOf(splitter.push(Buffer.from("\r")) ?? [], 0)
    assert.lengthOf(splitter.push(Buffer.from("x\n")) ?? [], 0)
    assert.strictEqual(splitter.rest(), 3)
  })

  it("gives up on an event without an end", () => {
    const splitter = EventSplitter.make({ maxEventBytes: 10 })
    assert.isUndefined(splitter.push(Buffer.from("data: 0123456789")))
  })

  it("reads what an event carries", () => {
    const read = (text: string) => EventSplitter.data(Buffer.from(text))
    assert.strictEqual(read("data: a\ndata:b\n\n"), "a\nb")
    assert.strictEqual(read("event: error\r\ndata: a\r\n\r\n"), "a")
    assert.strictEqual(read("data:\n\n"), "")
    assert.isUndefined(read(": ping\n\n"))
    assert.isUndefined(read("database: x\n\n"))
    // As clients do, for whom this is not "[DONE]".
    assert.strictEqual(read("data\ndata: [DONE]\n\n"), "\n[DONE]")
  })

  it("finds a return that ends no line here, and may end one at a client", () => {
    const found = (text: string) => EventSplitter.hasLoneReturn(Buffer.from(text))
    for (const text of ["data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\n\n", "\r\n"]) assert.isFalse(found(text), text)
    for (const text of [": x\rdata: 1\r\r\n\n", "data: {\r}\n\n", "\rdata: 1\n\n", "data: 1\r\r\n\r\n"])
      assert.isTrue(found(text), text)
  })

  it("completes what a stream ends in the middle of", () => {
    for (const text of ["data: x", "data: x\n", "data: x\r\n", "data: x\r"]) {
      const splitter = EventSplitter.make({ maxEventBytes: 100 })
      for (const byte of Buffer.from(`data: 1\n\n${text}`)) splitter.push(Buffer.from([byte]))
      const last = splitter.last()
      assert.strictEqual(EventSplitter.data(last), "x")
      assert.isTrue(/\n\r?\n$/.test(last.toString()))
      assert.strictEqual(splitter.rest(), 0)
    }
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { AnswerBuffer, AnswerMemory } from "../src/internal/AnswerBuffer.ts"
import { AnswerFlight } from "../src/internal/AnswerFlight.ts"
import * as AnswerWriter from "../src/internal/AnswerWriter.ts"
import * as KeptAnswer from "../src/internal/KeptAnswer.ts"
import * as Test from "./TestIdempotency.ts"

const int = (minimum: number, maximum: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

/** A reader that takes so many chunks before it asks for a pause. */
const reader = (appetite: number) => {
  const chunks: Array<Buffer> = []
  let ended: "whole" | "broken" | "destroyed" | undefined
  let left = appetite
  const buyer: AnswerWriter.WriteOptions["buyer"] = {
    gone: false,
    onGone: undefined,
    onDrain: undefined,
    takesTrailers: true,
    response: {
      writeHead: () => undefined,
      addTrailers: () => undefined,
      write: (bytes) => {
        chunks.push(bytes)
        left -= 1
        return left > 0
      },
      end: (last) => {
        ended = last === undefined ? "whole" : "broken"
      },
      destroy: () => {
        ended = "destroyed"
      },
    },
  }
  return {
    buyer,
    bytes: () => Buffer.concat(chunks),
    ended: () => ended,
    drain: () => {
      left = appetite
      buyer.onDrain?.()
    },
  }
}

describe("AnswerBuffer", () => {
  it.effect.prop(
    "gives every reader either the whole answer or a beginning of it and an error, and all memory back",
    [
      Schema.Array(int(0, 40)).pipe(Schema.check(Schema.isMaxLength(60))),
      Schema.Array(int(1, 12)).pipe(Schema.check(Schema.isMaxLength(4))),
      int(20, 600),
      int(20, 900),
    ],
    ([sizes, appetites, max, memoryMax]) =>
      Effect.gen(function* () {
        const memory = new AnswerMemory(memoryMax)
        const flight = new AnswerFlight({ request: Test.requestId(), fingerprint: "f", memory, max })
        flight.claimed()
        const readers = appetites.map(reader)
        flight.onHead(200, Test.EVENT_STREAM)
        const fibers = yield* Effect.forEach(readers, ({ buyer }) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* flight.meet(buyer, "f"), "answer")
            yield* Effect.ensuring(
              AnswerWriter.write(flight.buffer, { buyer, frame: () => "lost", totalMs: 60_000 }),
              Effect.sync(() => flight.leave()),
            )
          }).pipe(Effect.forkChild({ startImmediately: true })),
        )
        const sent: Array<Buffer> = []
        sizes.forEach((size, at) => {
          const bytes = Buffer.alloc(size, at)
          sent.push(bytes)
          flight.onBytes(bytes)
          assert.isAtMost(memory.used, memoryMax)
          if (at % 7 === 0) readers[at % Math.max(1, readers.length)]?.drain()
        })
        flight.onEnd("completed")
        const whole = Buffer.concat(sent)
        const kept = flight.buffer.whole()
        if (kept !== undefined) assert.isTrue(Buffer.concat(kept).equals(whole))
        else assert.isAbove(whole.length, Math.min(max, memoryMax) * 0.5)
        flight.close()
        for (const one of readers) while (one.ended() === undefined) one.drain()
        for (const fiber of fibers) yield* Fiber.join(fiber)
        for (const one of readers) {
          const bytes = one.bytes()
          assert.isTrue(whole.subarray(0, bytes.length).equals(bytes))
          if (one.ended() === "whole") assert.strictEqual(bytes.length, whole.length)
          else assert.isUndefined(kept)
        }
        assert.strictEqual(memory.used, 0)
      }),
  )

  it("has no answer to keep where memory ran out, and ends for those who read it", () => {
    const memory = new AnswerMemory(10)
    const buffer = new AnswerBuffer({ memory, max: 100 })
    buffer.begin({ status: 200, headers: {} })
    buffer.add(Buffer.alloc(8))
    buffer.add(Buffer.alloc(8))
    assert.isUndefined(buffer.whole())
    assert.strictEqual(memory.used, 0)
    assert.isUndefined(buffer.at(0))
    assert.isUndefined(buffer.at(1))
    assert.strictEqual(buffer.end, 2)
  })
})

describe("KeptAnswer", () => {
  it("is read as it was written; what is no answer is none", () => {
    const answer = {
      status: 201,
      headers: { "content-type": "text/plain", "x-ä": "ü" },
      trailers: { cost: "1" },
      chunks: [Buffer.from("a"), Buffer.alloc(200_000, 7)],
    }
    const bytes = KeptAnswer.encode(answer)
    const read = KeptAnswer.decode(bytes) ?? assert.fail("it is none")
    assert.deepStrictEqual({ ...read, chunks: [] }, { ...answer, chunks: [] })
    assert.isTrue(Buffer.concat(read.chunks).equals(Buffer.concat(answer.chunks)))
    for (const wrong of [
      Buffer.alloc(0),
      Buffer.alloc(3),
      Buffer.from([0, 0, 0, 9, 1]),
      Buffer.from([0, 0, 0, 2, 123, 125]),
    ]) {
      assert.isUndefined(KeptAnswer.decode(wrong))
    }
  })

  it("keeps no header of the moment", () => {
    const momentary = { Connection: "close", Date: "now", "Transfer-Encoding": "chunked", "X-RateLimit-Limit": "1" }
    const headers = { ...momentary, "X-Request-Id": "req_1" }
    assert.deepStrictEqual(KeptAnswer.lasting(headers), { "x-request-id": "req_1" })
  })
})

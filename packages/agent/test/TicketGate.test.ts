import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { InstanceId } from "@guildhall/core/Instance"
import * as KeyRing from "@guildhall/core/KeyRing"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type * as Gate from "../src/serving/TicketGate.ts"
import * as TicketGate from "../src/TicketGate.ts"
import * as TestTicket from "./TestTicket.ts"

const NOW = 1_000_000_000_000

const prepared = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  const first = TestTicket.header(yield* TestTicket.signed(TestTicket.ticket(1, NOW)))
  yield* TestTicket.signed(TestTicket.ticket(1, NOW), "receipt")
  const gate = TicketGate.make({ price: TestTicket.PRICE, maxRemembered: 3 })
  gate.learn({ keys: yield* ring.list, instances: [TestTicket.INSTANCE] })
  return { gate, first }
})

const header = (fields: Parameters<typeof TestTicket.ticket>[2], purpose?: KeyRing.KeyPurpose) =>
  Effect.map(TestTicket.signed(TestTicket.ticket(2, NOW, fields), purpose), TestTicket.header)

const refusal = (gate: Gate.TicketGate, value: string | undefined, nowMs = NOW) => {
  const result = gate.admit(value, nowMs)
  return Result.isFailure(result) ? result.failure : assert.fail("it was admitted")
}

describe("TicketGate", () => {
  it.effect("admits a ticket that the market's key ring signed, once", () =>
    Effect.gen(function* () {
      const { gate, first } = yield* prepared
      const admitted = gate.admit(first, NOW)
      if (Result.isFailure(admitted)) return assert.fail(admitted.failure.message)
      assert.isTrue(gate.use(admitted.success.ticket, NOW))
      assert.include(refusal(gate, first).message, "used before")
      const second = yield* header({ requestId: admitted.success.ticket.requestId, attempt: 2 })
      assert.isTrue(Result.isSuccess(gate.admit(second, NOW)))
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )

  it.effect("admits tickets that were signed together, each on its own way to the root, and no other beside them", () =>
    Effect.gen(function* () {
      const { gate } = yield* prepared
      const tickets = [10, 11, 12, 13, 14].map((number) => TestTicket.ticket(number, NOW))
      const together = yield* TestTicket.signedTogether(tickets)
      for (const signed of together) {
        const admitted = gate.admit(TestTicket.header(signed), NOW)
        if (Result.isFailure(admitted)) return assert.fail(admitted.failure.message)
        assert.isTrue(Result.isSuccess(gate.admit(TestTicket.header(admitted.success), NOW)))
      }
      const [first] = together
      if (first?.together === undefined) return assert.fail("they are not together")
      const { path, size } = first.together
      for (const wrong of [
        { ...first, ticket: TestTicket.ticket(99, NOW) },
        { ...first, together: { ...first.together, index: 1 } },
        { ...first, together: { ...first.together, size: size + 1 } },
        { ...first, together: { ...first.together, path: path.slice(1) } },
        { ...first, together: { ...first.together, path: ["%%%", ...path.slice(1)] } },
        { ...first, together: { index: 0, size: 2 ** 40, path: Array.from({ length: 40 }, () => path[0] ?? "") } },
        { ticket: first.ticket, signature: first.signature },
      ]) {
        assert.include(refusal(gate, TestTicket.header(wrong)).message, "not signed")
      }
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )

  it.effect("refuses every other ticket as invalid_ticket, and says why", () =>
    Effect.gen(function* () {
      const { gate, first } = yield* prepared
      const changed = Buffer.from(
        Buffer.from(first, "base64url").toString().replace('"1000000000"', '"9000000000"'),
      ).toString("base64url")
      const cheaper = PriceSheet.perMillionCents({ input: 1n, output: 1n })
      const wrong = [
        [undefined, "serves only requests that the market sends"],
        ["", "cannot be read"],
        ["%%%", "cannot be read"],
        ["x".repeat(100_000), "larger"],
        [changed, "not signed"],
        [yield* header({}, "receipt"), "not signed"],
        [yield* header({ expiresAtMs: NOW - 1 }), "expired"],
        [yield* header({ instanceId: InstanceId.make("ins_other") }), "another instance"],
        [yield* header({ priceDigest: TicketGate.priceDigest(cheaper) }), "another price"],
      ] as const
      for (const [value, why] of wrong) {
        const { status, code, message } = refusal(gate, value)
        assert.deepStrictEqual([status, code], [401, "invalid_ticket"])
        assert.include(message, why)
      }
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )

  it.effect("refuses the tickets of a market with other keys, and all before it knows any", () =>
    Effect.gen(function* () {
      const { first } = yield* prepared
      const gate = TicketGate.make({ price: TestTicket.PRICE })
      assert.include(refusal(gate, first).message, "not signed")
      const others = yield* Effect.provide(
        Effect.andThen(
          TestTicket.signed(TestTicket.ticket(9, NOW)),
          Effect.flatMap(KeyRing.KeyRing, (ring) => ring.list),
        ),
        TestTicket.keyRing,
        { local: true },
      )
      gate.learn({ keys: others, instances: [TestTicket.INSTANCE] })
      assert.include(refusal(gate, first).message, "not signed")
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )

  it.effect("remembers a bounded number of tickets and forgets the expired ones", () =>
    Effect.gen(function* () {
      const { gate } = yield* prepared
      const tickets = [10, 11, 12, 13].map((number) => TestTicket.ticket(number, NOW))
      assert.deepStrictEqual(
        tickets.map((ticket) => gate.use(ticket, NOW)),
        [true, true, true, false],
      )
      const later = NOW + 61_000
      assert.isTrue(gate.use(TestTicket.ticket(14, later), later))
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )

  it.effect("knows the tickets that a run before this one has served", () =>
    Effect.gen(function* () {
      const { first } = yield* prepared
      const ring = yield* KeyRing.KeyRing
      const gate = TicketGate.make({ price: TestTicket.PRICE, served: [TestTicket.ticket(1, NOW)] })
      gate.learn({ keys: yield* ring.list, instances: [TestTicket.INSTANCE] })
      assert.include(refusal(gate, first).message, "used before")
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )

  it.effect("takes tickets of another price once it is offered, and of the former one until it is settled", () =>
    Effect.gen(function* () {
      const { gate } = yield* prepared
      const dearer = PriceSheet.perMillionCents({ input: 30n, output: 60n })
      const former = yield* header({})
      const ticket = TestTicket.ticket(3, NOW, { priceDigest: TicketGate.priceDigest(dearer) })
      const later = TestTicket.header(yield* TestTicket.signed(ticket))
      assert.include(refusal(gate, later).message, "another price")
      gate.offer(dearer)
      assert.isTrue(Result.isSuccess(gate.admit(later, NOW)))
      assert.isTrue(Result.isSuccess(gate.admit(former, NOW)))
      assert.deepStrictEqual(gate.priceOf(ticket), dearer)
      gate.settle(dearer, NOW + 1_000)
      assert.isTrue(Result.isSuccess(gate.admit(former, NOW + 1_000)))
      assert.include(refusal(gate, former, NOW + 1_001).message, "another price")
      assert.isTrue(Result.isSuccess(gate.admit(later, NOW + 1_001)))
      // Taken back, as where the market refuses it.
      gate.offer(TestTicket.PRICE)
      gate.settle(TestTicket.PRICE, NOW)
      assert.include(refusal(gate, later, NOW + 1).message, "another price")
      assert.isTrue(Result.isSuccess(gate.admit(former, NOW + 1)))
    }).pipe(Effect.provide(TestTicket.keyRing)),
  )
})

/**
 * The suite of the port `PayoutRail`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MemberId } from "@guildhall/core/Member"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { PayoutRail } from "../PayoutRail.ts"
import * as Proof from "./internal/Proof.ts"
import * as Rail from "./internal/Rail.ts"
import * as Sample from "./SampleCommand.ts"

/**
 * A rail to try, with an asset and an amount that it takes. `moved` is all the money that it has moved, by its own count;
 * `advance` lets it go on with what is pending. Both may be left out where there is no such thing.
 *
 * @category models
 * @since 0.1.0
 */
export type Trial = Rail.Trial<PayoutRail>

const of = Rail.of(({ send }: PayoutRail) => send)

/** Long before any clock's time, and long after. */
const [PAST_MS, FUTURE_MS] = [-1, 8_000_000_000_000]

const inTime = Effect.fnUntraced(function* ({ rail, asset, amount, moved = Effect.succeed(0n) }: Trial) {
  const asked = {
    idempotencyKey: `test:${Sample.text()}`,
    member: MemberId.make(`mem_${Sample.text()}`),
    asset,
    amount,
  }
  const before = yield* moved
  const refused = yield* Conformance.refused(rail.send({ ...asked, notAfterMs: PAST_MS }), "after its time")
  assert.strictEqual(refused.reason, "Refused")
  assert.strictEqual(yield* moved, before, "it was refused, and money moved")
  const absent = yield* Conformance.refused(rail.find(asked.idempotencyKey), "as NotFound")
  assert.strictEqual(absent.reason, "NotFound")
  const sent = yield* Conformance.answered(rail.send({ ...asked, notAfterMs: FUTURE_MS }))
  const after = yield* moved
  const again = yield* Conformance.answered(rail.send({ ...asked, notAfterMs: PAST_MS }))
  assert.strictEqual(again.externalId, sent.externalId)
  assert.strictEqual(yield* moved, after)
})

/**
 * What a rail guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Proof.Guarantee<Trial>> = [
  {
    number: 1,
    test: "Sending twice with the same key and the same payout sends once; with another payout it is a `Conflict`.",
    proof: of(Rail.once),
  },
  {
    number: 2,
    test: "A payout that was sent is found by its key, and its amount and asset are those that were asked for.",
    proof: of(Rail.found),
  },
  {
    number: 3,
    test: "A state that is `Succeeded` or `Failed` never changes again, and `Failed` means that no money left.",
    proof: of(Rail.final({ failedMovesNothing: true })),
  },
  {
    number: 4,
    test: "Every movement is listed, in a stable order, and a cursor goes on where the last page ended.",
    proof: of(Rail.listed),
  },
  {
    number: 5,
    test: "An amount of zero or less is refused, and nothing is sent.",
    proof: of(Rail.refusesNothing),
  },
  {
    number: 6,
    test: "A payout that comes after its `notAfterMs` is refused, and nothing is sent; one that was sent before is answered as ever.",
    proof: inTime,
  },
]

/**
 * Proves a rail. A guarantee that it cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Proof.Suite<Trial> = Proof.suite("PayoutRail", guarantees)

/**
 * Proves that the suite bites: with this rail the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Proof.Breaks<Trial> = Proof.breaks("PayoutRail", guarantees)

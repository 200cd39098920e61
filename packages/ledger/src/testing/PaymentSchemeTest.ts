/**
 * The suite of the port `PaymentScheme`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Payer, PaymentError, PaymentScheme } from "../PaymentScheme.ts"
import * as Proof from "./internal/Proof.ts"
import { text } from "./SampleCommand.ts"

/** The headers of a request, by their lower-case names. @category models @since 0.1.0 */
export type Headers = Readonly<Record<string, string | undefined>>

/**
 * A scheme with requests to try it on. `secrets` are texts that no challenge and no refusal may show. `effects` answers
 * how often something happened outside on account of `settle`; a scheme with no effect outside leaves it out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Trial {
  readonly scheme: PaymentScheme
  readonly valid: { readonly headers: Headers; readonly payer: Payer }
  /** Requests of other schemes, and without any credential. */
  readonly foreign: ReadonlyArray<Headers>
  /** Credentials of this scheme that are wrong, unknown or revoked. Include some that are nearly right. */
  readonly wrong: ReadonlyArray<Headers>
  readonly secrets: ReadonlyArray<string>
  readonly effects?: Effect.Effect<number>
}

const verifies = Effect.fnUntraced(function* ({ scheme, valid }: Trial) {
  for (let time = 0; time < 3; time++) {
    assert.deepStrictEqual(yield* Conformance.answered(scheme.verify(valid.headers)), {
      _tag: "Payer",
      payer: valid.payer,
    })
  }
})

const leaves = Effect.fnUntraced(function* ({ scheme, foreign }: Trial) {
  assert.deepStrictEqual(yield* Conformance.answered(scheme.verify({})), { _tag: "NotMine" })
  for (const headers of foreign) {
    assert.deepStrictEqual(
      yield* Conformance.answered(scheme.verify(headers)),
      { _tag: "NotMine" },
      JSON.stringify(headers),
    )
  }
})

/** All that a refusal shows. */
const shown = (error: PaymentError): string => `${error.code} ${error.detail} ${error.message}`

const refuses = Effect.fnUntraced(function* ({ scheme, wrong, secrets }: Trial) {
  assert.isNotEmpty(wrong)
  const refusals = new Set<string>()
  for (const headers of wrong) {
    const error = yield* Conformance.refused(scheme.verify(headers), JSON.stringify(headers))
    assert.isFalse(error.isRetryable)
    refusals.add(shown(error))
  }
  assert.strictEqual(refusals.size, 1, "one refusal differs from another")
  for (const text of refusals) for (const secret of secrets) assert.notInclude(text, secret)
})

const challenges = Effect.fnUntraced(function* ({ scheme, secrets }: Trial) {
  for (const maximum of [null, 0n, 1_000_000_000_000n]) {
    const values = yield* scheme.challenge({ maximum })
    assert.isNotEmpty(values)
    for (const value of values) {
      // A scheme's name, then what it wants; one line, or it would be several headers.
      assert.match(value, /^[A-Za-z][A-Za-z0-9-]*( [\x20-\x7e]+)?$/)
      for (const secret of secrets) assert.notInclude(value, secret)
    }
  }
})

const settles = Effect.fnUntraced(function* ({ scheme, valid, effects = Effect.succeed(0) }: Trial) {
  const before = yield* effects
  const charge = { idempotencyKey: `request:${text()}`, payer: valid.payer, amount: 5n }
  const first = yield* scheme.settle(charge)
  const once = yield* effects
  assert.isAtMost(once - before, 1)
  assert.deepStrictEqual(yield* scheme.settle(charge), first)
  assert.strictEqual(yield* effects, once)
  yield* scheme.settle({ ...charge, idempotencyKey: `request:${text()}` })
  assert.strictEqual(yield* effects, 2 * once - before)
})

/**
 * What a payment scheme guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Proof.Guarantee<Trial>> = [
  {
    number: 1,
    test: "A request with a valid credential is verified as one payer, the same each time.",
    proof: verifies,
  },
  {
    number: 2,
    test: "A request without a credential of this scheme is `NotMine`, so another scheme may look at it.",
    proof: leaves,
  },
  {
    number: 3,
    test: "A wrong, unknown or revoked credential of this scheme is refused with a stable code, and tells nothing about why it is close.",
    proof: refuses,
  },
  { number: 4, test: "A challenge names how to pay and holds no secret.", proof: challenges },
  {
    number: 5,
    test: "Settling twice with the same idempotency key has the effect of settling once.",
    proof: settles,
  },
]

/**
 * Proves a scheme. A guarantee that it cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Proof.Suite<Trial> = Proof.suite("PaymentScheme", guarantees)

/**
 * Proves that the suite bites: with this scheme the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Proof.Breaks<Trial> = Proof.breaks("PaymentScheme", guarantees)

/** What the proofs of all six suites share. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Act } from "../../Act.ts"
import type { Address } from "../../Address.ts"
import type { ChainError, Contract } from "../../ChainError.ts"
import * as Hex from "../../Hex.ts"
import { ChainTestbed } from "../ChainTestbed.ts"

/** Text that was never used before. */
export const unique = (): string => globalThis.crypto.randomUUID()

/** Thirty-two bytes that were never used before. */
export const bytes32 = (): Hex.Bytes32 => Hex.bytes32(globalThis.crypto.getRandomValues(new Uint8Array(32)))

type Keyless<A> = A extends unknown ? Omit<A, "idempotencyKey"> : never

interface Port<A> {
  readonly act: (act: A) => Effect.Effect<Act, ChainError>
}

/** Gives an act a key. */
const keyed = <A>(act: Keyless<A>): A => {
  const whole: unknown = { ...act, idempotencyKey: unique() }
  // Every member of the union lacks its key and nothing else, which the type system cannot see of a union that it does not know.
  return whole as A
}

/** Does an act that must be done. */
export const does = <A>(port: Port<A>, act: Keyless<A>): Effect.Effect<Act> =>
  Conformance.answered(port.act(keyed<A>(act)))

/** Does an act that a rule must forbid. */
export const isRefused = Effect.fnUntraced(function* <A>(port: Port<A>, act: Keyless<A>, rule: string) {
  const error = yield* Conformance.refused(port.act(keyed<A>(act)), `by ${rule}`)
  assert.strictEqual(error.reason._tag, "Refused", error.message)
  if (error.reason._tag === "Refused") assert.strictEqual(error.reason.rule, rule, error.message)
})

/** Asks twice for the same and once for something else under one key. `count` must see it happen once. */
export const once = Effect.fnUntraced(function* <A>(
  port: Port<A>,
  act: A & { readonly idempotencyKey: string },
  other: A,
  count: Effect.Effect<bigint, ChainError>,
) {
  const before = yield* count
  const first = yield* Conformance.answered(port.act(act))
  assert.strictEqual(first.idempotencyKey, act.idempotencyKey)
  const after = yield* count
  assert.notStrictEqual(after, before, "nothing happened")
  const again = yield* Conformance.answered(port.act(act))
  assert.strictEqual(again.transaction, first.transaction)
  assert.strictEqual(again.atS, first.atS)
  assert.strictEqual(yield* count, after, "it happened twice")
  const conflict = yield* Conformance.refused(port.act(other), "as a Conflict")
  assert.strictEqual(conflict.reason._tag, "Conflict")
  assert.strictEqual(yield* count, after)
})

/** An account with so much of a token. */
export const funded = Effect.fnUntraced(function* (token: Address, amount: bigint) {
  const testbed = yield* ChainTestbed
  const account = yield* testbed.account
  yield* testbed.fund(account, token, amount)
  return account
})

/** The holder of a role. */
export const holder = Effect.fnUntraced(function* (role: string) {
  const { roles } = yield* ChainTestbed
  return roles[role] ?? assert.fail(`The testbed names nobody for the role "${role}".`)
})

/** What a contract holds of a token beyond what it owes, by its totals. */
export const spare = Effect.fnUntraced(function* (
  contract: Contract,
  token: Address,
  totals: Effect.Effect<object, ChainError>,
) {
  const testbed = yield* ChainTestbed
  const held = yield* testbed.balance(testbed.contracts[contract], token)
  const owed = Object.values(yield* totals).reduce((sum: bigint, amount) => sum + BigInt(amount), 0n)
  return held - owed
})

/** Goes on to a moment in the chain's time, at the earliest. */
export const until = Effect.fnUntraced(function* (atS: number) {
  const testbed = yield* ChainTestbed
  const nowS = yield* testbed.nowS
  if (atS > nowS) yield* testbed.advance(atS - nowS)
})

/** Time that a few acts of a chain do not use up. */
export const MARGIN_S = 120

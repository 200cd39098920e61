/** Proofs of what is guaranteed against those who try codes. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { CODE_MS, Pairing, TRIES_EACH_MAX, TRIES_MAX } from "../../Pairing.ts"
import * as SampleDevice from "../SampleDevice.ts"
import { asking, begin, codeOf, network as freshNetwork, not } from "./PairingProofs.ts"

const each = Array.from({ length: TRIES_EACH_MAX }, (_, at) => at + 1)

export const network = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const { code, id } = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  const home = "2001:db8:7:7"
  // Another key and another address of the network are no way around it.
  for (const by of each) {
    assert.strictEqual(yield* codeOf(pairing.ask(asking(`${home}::${by}`), not(code, by))), "invalid_pairing_code")
  }
  assert.strictEqual(yield* codeOf(pairing.ask(asking(`${home}:1:2:3:4`), code)), "pairing_locked")
  yield* TestClock.adjust(CODE_MS - 1)
  const later = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  assert.strictEqual(yield* codeOf(pairing.ask(asking(`${home}::9`), later.code)), "pairing_locked")
  // The name of its pairing lets a member's own agent in, whoever guesses beside it.
  yield* Conformance.answered(pairing.ask(asking(`${home}::9`), later.code, later.id))
  yield* TestClock.adjust(1)
  const last = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  yield* Conformance.answered(pairing.ask(asking(`${home}::9`), last.code))
  assert.notStrictEqual(id, last.id)
})

export const named = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const { code, id } = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  const from = freshNetwork()
  for (const by of each) {
    assert.strictEqual(yield* codeOf(pairing.ask(asking(from), not(code, by), id)), "invalid_pairing_code")
  }
  assert.strictEqual(yield* codeOf(pairing.ask(asking(from), code, id)), "invalid_pairing_code")
  assert.strictEqual(yield* codeOf(pairing.ask(asking(freshNetwork()), code)), "invalid_pairing_code")
  const other = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  yield* Conformance.answered(pairing.ask(asking(from), other.code))
})

export const market = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const home = freshNetwork()
  const { code } = yield* pairing.makeCode(SampleDevice.member(), home)
  const named = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  const unlucky = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  const open = new Set([code, named.code, unlucky.code].map(Redacted.value))
  let by = 0
  const guess = (from: string) => {
    do by += 1
    while (open.has(Redacted.value(not(code, by))))
    return pairing.ask(asking(from), not(code, by))
  }
  for (let at = 0; at < TRIES_MAX; at++)
    assert.strictEqual(yield* codeOf(guess(freshNetwork())), "invalid_pairing_code")
  // From now on a right code and a wrong one are answered alike.
  assert.strictEqual(yield* codeOf(guess(freshNetwork())), "pairing_locked")
  assert.strictEqual(yield* codeOf(pairing.ask(asking(freshNetwork()), unlucky.code)), "pairing_locked")
  assert.strictEqual(yield* codeOf(pairing.ask(asking(home), unlucky.code)), "pairing_locked")
  yield* Conformance.answered(pairing.ask(asking(home), code))
  yield* Conformance.answered(pairing.ask(asking(freshNetwork()), named.code, named.id))
  yield* TestClock.adjust(CODE_MS)
  const later = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  yield* Conformance.answered(pairing.ask(asking(freshNetwork()), later.code))
})

export const together = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const { code } = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  const exits = yield* Effect.forEach(
    Array.from({ length: 8 }),
    () => Effect.exit(pairing.ask(asking(freshNetwork()), code)),
    { concurrency: "unbounded" },
  )
  assert.lengthOf(
    exits.filter(({ _tag }) => _tag === "Success"),
    1,
  )
  const crowd = freshNetwork()
  const other = yield* pairing.makeCode(SampleDevice.member(), freshNetwork())
  const codes = yield* Effect.forEach(
    Array.from({ length: 3 * TRIES_EACH_MAX }, (_, at) => at + 1),
    (by) => codeOf(pairing.ask(asking(crowd), not(other.code, by))),
    { concurrency: "unbounded" },
  )
  assert.lengthOf(
    codes.filter((one) => one === "invalid_pairing_code"),
    TRIES_EACH_MAX,
  )
})

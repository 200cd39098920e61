/** Proofs of what is guaranteed of cases: proposed, appealed, overturned, final. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Slashing from "@guildhall/core/rules/Slashing"
import { BondVault } from "../../BondVault.ts"
import { bytes32, does, holder, isRefused, MARGIN_S } from "./Trial.ts"
import { MINIMUM, active, slash, ignoredFor } from "./BondTrial.ts"

export const slashes = Effect.gen(function* () {
  const { by, device, testbed, vault } = yield* active
  const { capBps, periodS } = vault.terms
  // All in one period, whatever second it is.
  const nowS = yield* testbed.nowS
  if (nowS % periodS > periodS - 10 * MARGIN_S) yield* testbed.advance(10 * MARGIN_S)
  yield* does(vault, { _tag: "TopUp", by, device, amount: 1n })
  yield* testbed.advance(MARGIN_S)
  const offenceTimeS = (yield* testbed.nowS) - 3
  const rateBps = Math.floor(capBps / 2) + 1
  const bondedThen = (yield* vault.bond(device)).bonded
  const first = yield* slash(device, { rateBps, offenceTimeS })
  const expected = Slashing.amount({ bondedThen, rateBps, bondedNow: bondedThen })
  assert.strictEqual(first.case.amount, expected)
  const hit = yield* vault.bond(device)
  assert.deepStrictEqual([hit.bonded, hit.escrowed, hit.openCases], [bondedThen - expected, expected, 1])
  const second = yield* slash(device, { rateBps, offenceTimeS: offenceTimeS + 1 })
  assert.strictEqual(second.case.rateBps, capBps - rateBps, "the cap of the period does not count")
  const third = yield* slash(device, { rateBps, offenceTimeS: offenceTimeS + 2 })
  assert.strictEqual(ignoredFor(third.events), "NothingToTake")
})

export const neverFails = Effect.gen(function* () {
  const { device, slasher, testbed, vault } = yield* active
  const offenceTimeS = yield* testbed.nowS
  const late = yield* slash(device, { rateBps: 100, offenceTimeS: offenceTimeS + 86_400 })
  assert.strictEqual(ignoredFor(late.events), "InFuture")
  const early = yield* slash(device, { rateBps: 100, offenceTimeS: 1 })
  assert.strictEqual(ignoredFor(early.events), "NotActiveThen")
  const none = yield* slash(device, { rateBps: 0, offenceTimeS })
  assert.strictEqual(ignoredFor(none.events), "NothingToTake")
  yield* testbed.advance(vault.terms.evidenceWindowS + MARGIN_S)
  const old = yield* slash(device, { rateBps: 100, offenceTimeS })
  assert.strictEqual(ignoredFor(old.events), "TooLate")
  assert.deepStrictEqual([(yield* vault.bond(device)).bonded, old.case.state], [MINIMUM, "None"])
  const unknown = {
    _tag: "ProposeSlash",
    by: slasher,
    device: bytes32(),
    offenceId: bytes32(),
    rateBps: 100,
    offenceTimeS,
    evidenceHash: bytes32(),
    finder: slasher,
  } as const
  yield* isRefused(vault, unknown, "UnknownDevice")
  yield* isRefused(vault, { ...unknown, device, by: yield* testbed.account }, "MissingRole")
})

export const slashesOnce = Effect.gen(function* () {
  const { device, vault } = yield* active
  const first = yield* slash(device, { rateBps: 100 })
  const again = yield* slash(device, { rateBps: 100, offenceId: first.offenceId })
  assert.strictEqual(ignoredFor(again.events), "AlreadyProposed")
  assert.strictEqual((yield* vault.bond(device)).escrowed, first.case.amount)
  const second = yield* slash(device, { rateBps: 100 })
  assert.strictEqual(second.case.state, "Proposed", "another offence was not slashed")
})

export const cannotDodge = Effect.gen(function* () {
  const rateBps = 500
  const part = Slashing.amount({ bondedThen: MINIMUM, rateBps, bondedNow: MINIMUM })
  const { cooldownS, evidenceWindowS } = (yield* BondVault).terms
  const middle = Math.floor(cooldownS / 2)
  for (const afterS of [0, middle, cooldownS - MARGIN_S]) {
    const { by, device, testbed, vault } = yield* active
    yield* testbed.advance(MARGIN_S)
    yield* does(vault, { _tag: "RequestUnbond", by, device })
    yield* testbed.advance(afterS)
    const slashed = yield* slash(device, { rateBps, offenceTimeS: (yield* testbed.nowS) - 1 })
    assert.strictEqual(slashed.case.amount, part, `${afterS} seconds after it began to leave`)
  }
  assert.isAbove(evidenceWindowS, 1)
})

export const appeals = Effect.gen(function* () {
  const { arbiter, by, device, testbed, vault } = yield* active
  const { appealWindowS, rulingWindowS } = vault.terms
  const before = (yield* vault.bond(device)).bonded
  const [won, lost, silent] = [
    yield* slash(device, { rateBps: 100 }),
    yield* slash(device, { rateBps: 100 }),
    yield* slash(device, { rateBps: 100 }),
  ]
  yield* isRefused(vault, { _tag: "Appeal", by: yield* testbed.account, offenceId: won.offenceId }, "NotProvider")
  yield* isRefused(vault, { _tag: "Uphold", by: arbiter, offenceId: won.offenceId }, "WrongCaseState")
  for (const { offenceId } of [won, lost, silent]) yield* does(vault, { _tag: "Appeal", by, offenceId })
  yield* isRefused(vault, { _tag: "Finalise", by, offenceId: won.offenceId }, "WrongCaseState")
  const slasher = yield* holder("slasher")
  yield* isRefused(vault, { _tag: "Overturn", by: slasher, offenceId: won.offenceId }, "MissingRole")
  yield* does(vault, { _tag: "Overturn", by: arbiter, offenceId: won.offenceId })
  yield* does(vault, { _tag: "Uphold", by: arbiter, offenceId: lost.offenceId })
  yield* isRefused(vault, { _tag: "Lapse", by, offenceId: silent.offenceId }, "RulingWindowOpen")
  yield* testbed.advance(appealWindowS + rulingWindowS + MARGIN_S)
  yield* isRefused(vault, { _tag: "Uphold", by: arbiter, offenceId: silent.offenceId }, "RulingWindowOver")
  yield* does(vault, { _tag: "Lapse", by, offenceId: silent.offenceId })
  const { bonded, escrowed, slashed } = yield* vault.bond(device)
  assert.deepStrictEqual([bonded, escrowed, slashed], [before - lost.case.amount, 0n, lost.case.amount])
})

export const finalises = Effect.gen(function* () {
  const { by, device, testbed, vault } = yield* active
  const finder = yield* testbed.account
  const anyone = yield* testbed.account
  const { case: opened, offenceId } = yield* slash(device, { rateBps: 1_000, finder })
  yield* isRefused(vault, { _tag: "Finalise", by: anyone, offenceId }, "AppealWindowOpen")
  yield* testbed.advance(vault.terms.appealWindowS + MARGIN_S)
  yield* isRefused(vault, { _tag: "Appeal", by, offenceId }, "AppealWindowOver")
  const before = (yield* vault.totals).insurance
  yield* does(vault, { _tag: "Finalise", by: anyone, offenceId })
  const parts = Slashing.share(opened.amount, { finderBps: vault.terms.finderBps, hasFinder: true })
  assert.strictEqual(yield* vault.credit(finder), parts.finder)
  assert.strictEqual((yield* vault.totals).insurance - before, parts.insurance)
  yield* isRefused(vault, { _tag: "Finalise", by: anyone, offenceId }, "WrongCaseState")
  yield* does(vault, { _tag: "ClaimCredit", by: finder })
  assert.strictEqual(yield* testbed.balance(finder, vault.terms.token), parts.finder)
  const pool = testbed.contracts.InsurancePool
  const pooled = yield* testbed.balance(pool, vault.terms.token)
  yield* does(vault, { _tag: "SendToInsurance", by: anyone })
  assert.strictEqual((yield* testbed.balance(pool, vault.terms.token)) - pooled, before + parts.insurance)
})

export const waits = Effect.gen(function* () {
  const { by, device, testbed, vault } = yield* active
  const { appealWindowS, cooldownS, rulingWindowS } = vault.terms
  yield* isRefused(vault, { _tag: "Withdraw", by, device }, "WrongDeviceState")
  yield* does(vault, { _tag: "RequestUnbond", by, device })
  yield* testbed.advance(cooldownS - 2 * MARGIN_S)
  yield* isRefused(vault, { _tag: "Withdraw", by, device }, "CooldownNotOver")
  const { offenceId } = yield* slash(device, { rateBps: 100 })
  yield* does(vault, { _tag: "Appeal", by, offenceId })
  yield* testbed.advance(3 * MARGIN_S)
  yield* isRefused(vault, { _tag: "Withdraw", by, device }, "CaseOpen")
  yield* testbed.advance(appealWindowS + rulingWindowS)
  yield* does(vault, { _tag: "Lapse", by, offenceId })
  const before = yield* testbed.balance(by, vault.terms.token)
  yield* does(vault, { _tag: "Withdraw", by, device })
  assert.strictEqual((yield* testbed.balance(by, vault.terms.token)) - before, MINIMUM)
})

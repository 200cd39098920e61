/**
 * The suite of the port `BondVault`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Bond, BondVault } from "../BondVault.ts"
import type { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, holder, isRefused, MARGIN_S, once, spare, unique } from "./internal/Trial.ts"
import { MINIMUM, prepared, word, active, slash } from "./internal/BondTrial.ts"
import { slashes, neverFails, slashesOnce, cannotDodge, appeals, finalises, waits } from "./internal/CaseProofs.ts"

const actsOnce = Effect.gen(function* () {
  const { by, classId, device, vault } = yield* prepared
  const act = { _tag: "Bond", by, device, classId, amount: MINIMUM, idempotencyKey: unique() } as const
  const bonded = Effect.map(vault.bond(device), (bond) => bond.bonded)
  yield* once(vault, act, { ...act, amount: MINIMUM + 1n }, bonded)
})

const needsTheWord = Effect.gen(function* () {
  const { by, classId, device, testbed, vault } = yield* prepared
  yield* does(vault, { _tag: "Bond", by, device, classId, amount: MINIMUM })
  assert.strictEqual((yield* vault.bond(device)).state, "Pending")
  const good = yield* word(device, by, classId)
  const forged = yield* testbed.sign(by, good.verified)
  yield* isRefused(vault, { _tag: "Activate", by, ...good, signature: forged }, "InvalidAttestation")
  const other = yield* word(device, yield* testbed.account, classId)
  yield* isRefused(vault, { _tag: "Activate", by, ...other }, "AttestationMismatch")
  const short = yield* word(device, by, classId, 10)
  yield* testbed.advance(MARGIN_S)
  yield* isRefused(vault, { _tag: "Activate", by, ...short }, "AttestationExpired")
  yield* does(vault, { _tag: "Activate", by, ...good })
  assert.strictEqual((yield* vault.bond(device)).state, "Active")
  const stolen = bytes32()
  yield* does(vault, { _tag: "Bond", by, device: stolen, classId, amount: MINIMUM })
  const again = { verified: { ...good.verified, device: stolen }, signature: good.signature }
  yield* isRefused(vault, { _tag: "Activate", by, ...again }, "NonceUsed")
  const owner = yield* funded(vault.terms.token, MINIMUM)
  const proof = yield* word(stolen, owner, classId)
  yield* does(vault, { _tag: "BondVerified", by: owner, amount: MINIMUM, ...proof })
  const { provider, state } = yield* vault.bond(stolen)
  assert.deepStrictEqual([provider, state], [owner, "Active"])
  assert.strictEqual(yield* vault.credit(by), MINIMUM, "who was displaced lost its money")
})

const needsEnough = Effect.gen(function* () {
  const { by, classId, device, vault } = yield* prepared
  yield* isRefused(vault, { _tag: "Bond", by, device, classId, amount: MINIMUM - 1n }, "UnderMinimum")
  const unknown = classId === 0 ? 1 : classId - 1
  yield* isRefused(vault, { _tag: "Bond", by, device, classId: unknown, amount: MINIMUM }, "UnknownClass")
  const shown = yield* word(device, by, classId)
  for (const amount of [2n ** 96n, 2n ** 128n - 1n]) {
    yield* isRefused(vault, { _tag: "Bond", by, device, classId, amount }, "OverMaximum")
    yield* isRefused(vault, { _tag: "BondVerified", by, amount, ...shown }, "OverMaximum")
  }
  yield* does(vault, { _tag: "Bond", by, device, classId, amount: MINIMUM })
  yield* isRefused(vault, { _tag: "TopUp", by, device, amount: 2n ** 96n }, "OverMaximum")
  yield* isRefused(vault, { _tag: "Bond", by, device, classId, amount: MINIMUM }, "WrongDeviceState")
})

const deregisters = Effect.gen(function* () {
  const { by, device, testbed, vault } = yield* active
  yield* isRefused(vault, { _tag: "Deregister", by, device }, "MissingRole")
  yield* does(vault, { _tag: "Deregister", by: yield* holder("registrar"), device })
  const { bonded, cooldownEndS, state } = yield* vault.bond(device)
  assert.deepStrictEqual([bonded, state], [MINIMUM, "Unbonding"])
  assert.isAtLeast(cooldownEndS, (yield* testbed.nowS) + vault.terms.cooldownS - MARGIN_S)
  yield* isRefused(vault, { _tag: "Withdraw", by, device }, "CooldownNotOver")
})

const parts = ({ bonded, escrowed, slashed, withdrawn }: Bond): bigint => bonded + escrowed + slashed + withdrawn

const addsUp = Effect.gen(function* () {
  const { by, classId, device, testbed, vault } = yield* active
  const { token } = vault.terms
  const spared = spare("ProviderBond", token, vault.totals)
  const before = yield* spared
  const totals = yield* vault.totals
  yield* isRefused(vault, { _tag: "TopUp", by, device, amount: 0n }, "ZeroAmount")
  const poor = { _tag: "Bond", by, device: bytes32(), classId, amount: 100n * MINIMUM } as const
  yield* isRefused(vault, poor, "ERC20InsufficientBalance")
  assert.deepStrictEqual(yield* vault.totals, totals, "it was refused, and something moved")
  const { offenceId } = yield* slash(device, { rateBps: 333 })
  yield* slash(device, { rateBps: 333 })
  yield* testbed.advance(vault.terms.appealWindowS + MARGIN_S)
  yield* does(vault, { _tag: "Finalise", by, offenceId })
  yield* does(vault, { _tag: "TopUp", by, device, amount: 17n })
  const bond = yield* vault.bond(device)
  assert.strictEqual(parts(bond), bond.deposited)
  assert.strictEqual(bond.deposited, MINIMUM + 17n)
  assert.strictEqual(yield* spared, before)
})

const pauses = Effect.gen(function* () {
  const { by, classId, device, testbed, vault } = yield* active
  const pauser = yield* holder("pauser")
  yield* does(vault, { _tag: "RequestUnbond", by, device })
  yield* does(vault, { _tag: "Pause", by: pauser })
  yield* isRefused(vault, { _tag: "Bond", by, device: bytes32(), classId, amount: MINIMUM }, "IsPaused")
  const { case: opened, offenceId } = yield* slash(device, { rateBps: 100 })
  yield* testbed.advance(vault.terms.cooldownS + MARGIN_S)
  // A pause ends by itself, after a cooldown at the latest.
  yield* Effect.option(vault.act({ _tag: "Pause", by: pauser, idempotencyKey: unique() }))
  yield* does(vault, { _tag: "Finalise", by, offenceId })
  yield* does(vault, { _tag: "Withdraw", by, device })
  assert.strictEqual((yield* vault.bond(device)).withdrawn, MINIMUM - opened.amount)
  yield* does(vault, { _tag: "Unpause", by: pauser })
})

/**
 * What the port guarantees, in the order of its documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<BondVault | ChainTestbed>>> = [
  {
    number: 1,
    test: "The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.",
    proof: actsOnce,
  },
  {
    number: 2,
    test: "A device's bond is pending until the verifier's word, which is good for one device, provider and class, once, and not late. With the word at hand it is active at once, and a pending bond of somebody else is credited back to that one.",
    proof: needsTheWord,
  },
  {
    number: 3,
    test: "A bond below the minimum of its class is refused, and so are a deposit of 2^96 units or more and a second bond for a device.",
    proof: needsEnough,
  },
  {
    number: 4,
    test: "A slash moves its amount into escrow at once: a share of what was bonded at the offence, rounded up, at most what is left; the shares of all offences of one period add up to at most the cap.",
    proof: slashes,
  },
  {
    number: 5,
    test: "A slash of a known device never fails: where nothing can be moved, nothing moves, and the event says why.",
    proof: neverFails,
  },
  { number: 6, test: "One offence is slashed once.", proof: slashesOnce },
  {
    number: 7,
    test: "A bond that is unbonding is slashed like any other, at every point of its way out.",
    proof: cannotDodge,
  },
  {
    number: 8,
    test: "Who appeals in time has the arbiter's word: overturned, or not decided in time, the escrow goes back to the bond.",
    proof: appeals,
  },
  {
    number: 9,
    test: "A case that nobody appealed is finalised by anyone after the window: the finder is credited its share, rounded down, and the rest goes to the insurance.",
    proof: finalises,
  },
  {
    number: 10,
    test: "Nothing is withdrawn before the cooldown is over, nor while a case is open, and no case is open longer than its two windows.",
    proof: waits,
  },
  { number: 11, test: "Deregistering starts the cooldown and takes nothing.", proof: deregisters },
  {
    number: 12,
    test: "What was refused moved nothing, and the totals sum to what went in less what went out.",
    proof: addsUp,
  },
  {
    number: 13,
    test: "While paused nothing comes in; slashes, appeals, decisions and everything that goes out go on.",
    proof: pauses,
  },
]

const port: Conformance.Port<BondVault | ChainTestbed> = { name: "BondVault", guarantees, clock: "virtual" }

/** Proves a layer of the port. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<BondVault | ChainTestbed> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<BondVault | ChainTestbed> = Conformance.breaks(port)

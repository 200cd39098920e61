/**
 * The suite of the port `InsuranceVault`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as Division from "@guildhall/core/rules/Division"
import type { Address } from "../Address.ts"
import * as CumulativeTree from "../CumulativeTree.ts"
import type { Bytes32 } from "../Hex.ts"
import { InsuranceVault, leaf } from "../InsuranceVault.ts"
import { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, holder, isRefused, MARGIN_S, once, spare, unique, until } from "./internal/Trial.ts"

const DEPOSIT = 1_000_000n

/** A pool with money in it, at the start of an epoch, and what that epoch can promise. */
const prepared = Effect.gen(function* () {
  const vault = yield* InsuranceVault
  const testbed = yield* ChainTestbed
  const by = yield* funded(vault.terms.token, DEPOSIT)
  yield* does(vault, { _tag: "Deposit", by, amount: DEPOSIT })
  const { epochCapBps, epochLengthS, incidentCap } = vault.terms
  const epoch = Math.floor((yield* testbed.nowS) / epochLengthS) + 1
  yield* until(epoch * epochLengthS + 1)
  const { free } = yield* vault.totals
  const cap = Division.part(free, epochCapBps)
  return {
    vault,
    testbed,
    epoch,
    cap,
    most: cap < incidentCap ? cap : incidentCap,
    incident: bytes32(),
    adjuster: yield* holder("adjuster"),
  }
})

const treeOf = Effect.fnUntraced(function* (
  epoch: number,
  incident: Bytes32,
  claims: ReadonlyArray<{ readonly account: Address; readonly amount: bigint }>,
) {
  const { domain } = yield* InsuranceVault
  return CumulativeTree.ofLeaves(claims.map((claim) => leaf(domain, { epoch, incident, ...claim })))
})

const actsOnce = Effect.gen(function* () {
  const vault = yield* InsuranceVault
  const by = yield* funded(vault.terms.token, 300n)
  const act = { _tag: "Deposit", by, amount: 100n, idempotencyKey: unique() } as const
  const free = Effect.map(vault.totals, (totals) => totals.free)
  yield* once(vault, act, { ...act, amount: 101n }, free)
})

const holds = Effect.gen(function* () {
  const { adjuster, epoch, incident, most, testbed, vault } = yield* prepared
  const before = yield* vault.totals
  const stranger = yield* testbed.account
  const proposal = { _tag: "ProposeClaims", by: adjuster, epoch, incident, root: bytes32(), total: most } as const
  yield* isRefused(vault, { ...proposal, by: stranger }, "MissingRole")
  const claim = { _tag: "Claim", by: stranger, epoch, incident, account: stranger, amount: 1n, proof: [] } as const
  yield* isRefused(vault, claim, "NoClaims")
  yield* isRefused(vault, { _tag: "ExpireClaims", by: stranger, epoch, incident }, "NoClaims")
  assert.deepStrictEqual(yield* vault.totals, before)
  yield* does(vault, proposal)
  const { free, reserved } = yield* vault.totals
  assert.deepStrictEqual([free, reserved], [before.free - most, before.reserved + most])
})

const isCapped = Effect.gen(function* () {
  const { adjuster: by, cap, epoch, incident, vault } = yield* prepared
  const proposal = { _tag: "ProposeClaims", by, epoch, incident, root: bytes32(), total: 1n } as const
  yield* isRefused(vault, { ...proposal, epoch: epoch + 1 }, "WrongEpoch")
  yield* isRefused(vault, { ...proposal, epoch: epoch - 1 }, "WrongEpoch")
  yield* isRefused(vault, { ...proposal, total: cap + 1n }, "OverEpochCap")
  yield* does(vault, { ...proposal, total: cap - 1n })
  yield* isRefused(vault, proposal, "AlreadyProposed")
  yield* isRefused(vault, { ...proposal, incident: bytes32(), total: 2n }, "OverEpochCap")
  const { incidentCap, token } = vault.terms
  // An incident's cap shows only where an epoch can promise more.
  const much = 11n * incidentCap
  if (much > 1n << 127n) return
  yield* does(vault, { _tag: "Deposit", by: yield* funded(token, much), amount: much })
  const next = yield* prepared
  const over = { ...proposal, epoch: next.epoch, incident: next.incident, total: incidentCap + 1n }
  yield* isRefused(vault, over, next.cap > incidentCap ? "OverIncidentCap" : "OverEpochCap")
})

const waits = Effect.gen(function* () {
  const { adjuster, epoch, incident, most: total, testbed, vault } = yield* prepared
  const before = yield* vault.totals
  const account = yield* testbed.account
  const tree = yield* treeOf(epoch, incident, [{ account, amount: total }])
  const proposal = { _tag: "ProposeClaims", by: adjuster, epoch, incident, root: tree.root, total } as const
  const claim = { _tag: "Claim", by: account, epoch, incident, account, amount: total, proof: [] } as const
  const challenger = yield* holder("challenger")
  yield* does(vault, proposal)
  yield* isRefused(vault, claim, "NotPayableYet")
  yield* isRefused(vault, { _tag: "CancelClaims", by: adjuster, epoch, incident }, "MissingRole")
  yield* does(vault, { _tag: "CancelClaims", by: challenger, epoch, incident })
  assert.deepStrictEqual(yield* vault.totals, before)
  yield* does(vault, proposal)
  yield* testbed.advance(vault.terms.challengeDelayS + MARGIN_S)
  yield* isRefused(vault, { _tag: "CancelClaims", by: challenger, epoch, incident }, "TooLateToCancel")
  yield* isRefused(vault, { _tag: "ExpireClaims", by: account, epoch, incident }, "NotExpiredYet")
  yield* testbed.advance(vault.terms.claimWindowS)
  yield* isRefused(vault, claim, "ClaimsOver")
  yield* does(vault, { _tag: "ExpireClaims", by: account, epoch, incident })
  assert.deepStrictEqual(yield* vault.totals, before)
})

const pays = Effect.gen(function* () {
  const { adjuster, epoch, incident, testbed, vault } = yield* prepared
  const accounts = [yield* testbed.account, yield* testbed.account, yield* testbed.account]
  const claims = accounts.map((account, at) => ({ account, amount: BigInt(at + 1) * 10n }))
  const tree = yield* treeOf(epoch, incident, claims)
  yield* does(vault, { _tag: "ProposeClaims", by: adjuster, epoch, incident, root: tree.root, total: 60n })
  yield* testbed.advance(vault.terms.challengeDelayS + MARGIN_S)
  for (const [at, { account, amount }] of claims.entries()) {
    const act = { _tag: "Claim", by: adjuster, epoch, incident, account, amount, proof: tree.proofs[at] ?? [] } as const
    yield* isRefused(vault, { ...act, amount: amount + 1n }, "InvalidProof")
    yield* isRefused(vault, { ...act, account: adjuster }, "InvalidProof")
    yield* does(vault, act)
    yield* isRefused(vault, act, "AlreadyClaimed")
    assert.strictEqual(yield* testbed.balance(account, vault.terms.token), amount)
    assert.isTrue(yield* vault.hasClaimed(epoch, incident, account))
  }
  assert.strictEqual((yield* vault.claims(epoch, incident)).remaining, 0n)
})

const isBounded = Effect.gen(function* () {
  const { adjuster, epoch, incident, testbed, vault } = yield* prepared
  const accounts = [yield* testbed.account, yield* testbed.account]
  const claims = accounts.map((account) => ({ account, amount: 60n }))
  const tree = yield* treeOf(epoch, incident, claims)
  yield* does(vault, { _tag: "ProposeClaims", by: adjuster, epoch, incident, root: tree.root, total: 100n })
  yield* testbed.advance(vault.terms.challengeDelayS + MARGIN_S)
  const [first, second] = claims.map(
    ({ account, amount }, at) =>
      ({ _tag: "Claim", by: account, epoch, incident, account, amount, proof: tree.proofs[at] ?? [] }) as const,
  )
  if (first === undefined || second === undefined) return assert.fail("there are no claims")
  yield* does(vault, first)
  yield* isRefused(vault, second, "OverTotal")
  assert.strictEqual((yield* vault.claims(epoch, incident)).remaining, 40n)
})

const addsUp = Effect.gen(function* () {
  const { adjuster, epoch, incident, testbed, vault } = yield* prepared
  const { token } = vault.terms
  const spared = spare("InsurancePool", token, vault.totals)
  const before = yield* spared
  const totals = yield* vault.totals
  const account = yield* testbed.account
  yield* isRefused(vault, { _tag: "Deposit", by: account, amount: 0n }, "ZeroAmount")
  yield* isRefused(vault, { _tag: "Deposit", by: account, amount: 1n }, "ERC20InsufficientBalance")
  const root = (yield* treeOf(epoch, incident, [{ account, amount: 77n }])).root
  const proposal = { _tag: "ProposeClaims", by: adjuster, epoch, incident, root, total: 78n } as const
  yield* isRefused(vault, { ...proposal, total: 0n }, "ZeroAmount")
  assert.deepStrictEqual(yield* vault.totals, totals, "it was refused, and something moved")
  yield* does(vault, proposal)
  assert.strictEqual(yield* spared, before)
  yield* testbed.advance(vault.terms.challengeDelayS + MARGIN_S)
  yield* does(vault, { _tag: "Claim", by: account, epoch, incident, account, amount: 77n, proof: [] })
  assert.strictEqual(yield* spared, before)
})

const pauses = Effect.gen(function* () {
  const { adjuster, epoch, incident, testbed, vault } = yield* prepared
  const account = yield* funded(vault.terms.token, 5n)
  const root = (yield* treeOf(epoch, incident, [{ account, amount: 50n }])).root
  yield* does(vault, { _tag: "ProposeClaims", by: adjuster, epoch, incident, root, total: 50n })
  yield* testbed.advance(vault.terms.challengeDelayS + MARGIN_S)
  const pauser = yield* holder("pauser")
  yield* does(vault, { _tag: "Pause", by: pauser })
  yield* isRefused(vault, { _tag: "Deposit", by: account, amount: 5n }, "IsPaused")
  const proposal = { _tag: "ProposeClaims", by: adjuster, epoch, incident: bytes32(), root, total: 1n } as const
  yield* isRefused(vault, proposal, "IsPaused")
  yield* does(vault, { _tag: "Claim", by: account, epoch, incident, account, amount: 50n, proof: [] })
  yield* does(vault, { _tag: "Unpause", by: pauser })
  assert.strictEqual(yield* testbed.balance(account, vault.terms.token), 55n)
})

/**
 * What the port guarantees, in the order of its documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<InsuranceVault | ChainTestbed>>> = [
  {
    number: 1,
    test: "The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.",
    proof: actsOnce,
  },
  { number: 2, test: "What is deposited is in the pool, and nothing but claims takes it out.", proof: holds },
  {
    number: 3,
    test: "Claims are proposed within the cap of their epoch, a share of what was free at its start, and within that of an incident.",
    proof: isCapped,
  },
  {
    number: 4,
    test: "Claims count after the challenge delay; cancelled before, their money is free again, and so is what nobody took in time.",
    proof: waits,
  },
  {
    number: 5,
    test: "A claim is paid to the account that its leaf names, once, by a proof; a wrong proof is refused.",
    proof: pays,
  },
  { number: 6, test: "All claims of an incident are at most its total.", proof: isBounded },
  {
    number: 7,
    test: "What was refused moved nothing, and the totals sum to what went in less what went out.",
    proof: addsUp,
  },
  {
    number: 8,
    test: "While paused nothing comes in and nothing is promised, and every claim still pays.",
    proof: pauses,
  },
]

const port: Conformance.Port<InsuranceVault | ChainTestbed> = { name: "InsuranceVault", guarantees, clock: "virtual" }

/** Proves a layer of the port. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<InsuranceVault | ChainTestbed> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<InsuranceVault | ChainTestbed> = Conformance.breaks(port)

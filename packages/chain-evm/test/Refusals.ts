/** Acts that rules forbid, for comparing what two chains say of them. */
import { Effect } from "effect"
import { ZERO } from "@guildhall/chain/Address"
import { BondVault } from "@guildhall/chain/BondVault"
import type { ChainError } from "@guildhall/chain/ChainError"
import * as Hex from "@guildhall/chain/Hex"
import { InsuranceVault } from "@guildhall/chain/InsuranceVault"
import { PaymentChannel } from "@guildhall/chain/PaymentChannel"
import { Settlement } from "@guildhall/chain/Settlement"
import { StakeBook } from "@guildhall/chain/StakeBook"
import { ChainTestbed } from "@guildhall/chain/testing"
import { ValidatorSet } from "@guildhall/chain/ValidatorSet"

let count = 0
const idempotencyKey = () => `refusal ${++count}`
const device = Hex.word(0xd1n)
const nothing = Hex.word(0xeen)
const signature = Hex.Hex.make(`0x${"11".repeat(65)}`)

/** Addresses and moments differ from chain to chain; everything else that is said must not. */
const plain = (text: string): string =>
  text
    .replace(/0x[0-9a-fA-F]{40}\b/g, "somebody")
    .replace(/\b1\d{9}\b/g, "then")
    .replace(/\bepoch 2\d{4}\b/g, "epoch of now")

/** What is said of an act: by which contract, by which rule, with which figures. */
const said = (name: string, effect: Effect.Effect<unknown, ChainError>) =>
  Effect.match(effect, {
    onSuccess: () => `${name}: done`,
    onFailure: ({ reason }) =>
      reason._tag === "Refused"
        ? `${name}: ${reason.contract} ${reason.rule} ${plain(reason.detail)}`.trimEnd()
        : `${name}: ${reason._tag}`,
  })

const stakes = Effect.gen(function* () {
  const { act, terms } = yield* StakeBook
  const testbed = yield* ChainTestbed.ChainTestbed
  const by = yield* testbed.account
  yield* testbed.fund(by, terms.token, 100n)
  const curator = testbed.roles["curator"] ?? ZERO
  const tiers = [{ minStake: 1n, multiplierBps: 1, priority: 1 }]
  const nowS = yield* testbed.nowS
  const farS = nowS + terms.tierDelayS + 1_000
  return [
    yield* said("poor", act({ _tag: "Stake", by, idempotencyKey: idempotencyKey(), amount: 101n })),
    yield* said("staked", act({ _tag: "Stake", by, idempotencyKey: idempotencyKey(), amount: 100n })),
    yield* said("nothing", act({ _tag: "Stake", by, idempotencyKey: idempotencyKey(), amount: 0n })),
    yield* said("too much", act({ _tag: "RequestUnstake", by, idempotencyKey: idempotencyKey(), amount: 101n })),
    yield* said("none asked", act({ _tag: "Withdraw", by, idempotencyKey: idempotencyKey() })),
    yield* said("asked", act({ _tag: "RequestUnstake", by, idempotencyKey: idempotencyKey(), amount: 1n })),
    yield* said("early", act({ _tag: "Withdraw", by, idempotencyKey: idempotencyKey() })),
    yield* said("no rewards", act({ _tag: "ClaimRewards", by, idempotencyKey: idempotencyKey() })),
    yield* said(
      "stranger",
      act({ _tag: "AppendTiers", by, idempotencyKey: idempotencyKey(), tiers, activatesAtS: farS }),
    ),
    yield* said(
      "no first tier",
      act({ _tag: "AppendTiers", by: curator, idempotencyKey: idempotencyKey(), tiers, activatesAtS: farS }),
    ),
    yield* said(
      "not paused",
      act({ _tag: "Unpause", by: testbed.roles["pauser"] ?? ZERO, idempotencyKey: idempotencyKey() }),
    ),
    yield* said("unreadable", act({ _tag: "Stake", by, idempotencyKey: idempotencyKey(), amount: 1n << 128n })),
    yield* said("the most", act({ _tag: "Stake", by, idempotencyKey: idempotencyKey(), amount: (1n << 128n) - 1n })),
  ]
})

const bonds = Effect.gen(function* () {
  const { act, terms } = yield* BondVault
  const testbed = yield* ChainTestbed.ChainTestbed
  const by = yield* testbed.account
  const other = yield* testbed.account
  yield* testbed.fund(by, terms.token, 100n)
  const curator = testbed.roles["curator"] ?? ZERO
  const nowS = yield* testbed.nowS
  const verified = (expiryS: number) =>
    ({ _tag: "EndpointVerified", device, provider: by, classId: 1, expiryS, nonce: 7n }) as const
  const late = verified(nowS - 10)
  const lateWord = yield* testbed.sign(testbed.roles["verifier"] ?? ZERO, late)
  return [
    yield* said(
      "class",
      act({ _tag: "AppendClass", by: curator, idempotencyKey: idempotencyKey(), classId: 1, minimum: 50n }),
    ),
    yield* said(
      "again",
      act({ _tag: "AppendClass", by: curator, idempotencyKey: idempotencyKey(), classId: 1, minimum: 5n }),
    ),
    yield* said(
      "unknown class",
      act({ _tag: "Bond", by, idempotencyKey: idempotencyKey(), device, classId: 2, amount: 60n }),
    ),
    yield* said(
      "too little",
      act({ _tag: "Bond", by, idempotencyKey: idempotencyKey(), device, classId: 1, amount: 49n }),
    ),
    yield* said("bonded", act({ _tag: "Bond", by, idempotencyKey: idempotencyKey(), device, classId: 1, amount: 60n })),
    yield* said("twice", act({ _tag: "Bond", by, idempotencyKey: idempotencyKey(), device, classId: 1, amount: 60n })),
    yield* said("not out", act({ _tag: "Withdraw", by, idempotencyKey: idempotencyKey(), device })),
    yield* said("another's", act({ _tag: "RequestUnbond", by: other, idempotencyKey: idempotencyKey(), device })),
    yield* said("unknown", act({ _tag: "TopUp", by, idempotencyKey: idempotencyKey(), device: nothing, amount: 1n })),
    yield* said(
      "late word",
      act({ _tag: "Activate", by, idempotencyKey: idempotencyKey(), verified: late, signature: lateWord }),
    ),
    yield* said(
      "forged word",
      act({ _tag: "Activate", by, idempotencyKey: idempotencyKey(), verified: verified(nowS + 9_999), signature }),
    ),
    yield* said("no case", act({ _tag: "Finalise", by, idempotencyKey: idempotencyKey(), offenceId: nothing })),
    yield* said("no credit", act({ _tag: "ClaimCredit", by, idempotencyKey: idempotencyKey() })),
  ]
})

const settlements = Effect.gen(function* () {
  const { act } = yield* Settlement
  const testbed = yield* ChainTestbed.ChainTestbed
  const token = yield* testbed.token
  const provider = yield* testbed.account
  const payer = yield* testbed.account
  yield* testbed.fund(payer, token, 500n)
  const by = testbed.roles["operator"] ?? ZERO
  const one = { provider, token, requestId: device }
  const epoch = { token, epoch: 5, kind: "Root", commitment: nothing } as const
  const voucher = { _tag: "Voucher", provider, token, epoch: 1, cumulative: 5n } as const
  const entries = [{ account: provider, amount: 101n }]
  return [
    yield* said("funded", act({ _tag: "Fund", by: payer, idempotencyKey: idempotencyKey(), token, amount: 100n })),
    yield* said("over", act({ _tag: "Settle", by, idempotencyKey: idempotencyKey(), ...one, amount: 101n })),
    yield* said("settled", act({ _tag: "Settle", by, idempotencyKey: idempotencyKey(), ...one, amount: 10n })),
    yield* said("again", act({ _tag: "Settle", by, idempotencyKey: idempotencyKey(), ...one, amount: 10n })),
    yield* said(
      "not allowed",
      act({ _tag: "SettleFrom", by, idempotencyKey: idempotencyKey(), ...one, requestId: nothing, payer, amount: 10n }),
    ),
    yield* said("stranger", act({ _tag: "Settle", by: payer, idempotencyKey: idempotencyKey(), ...one, amount: 1n })),
    yield* said("forged", act({ _tag: "Redeem", by, idempotencyKey: idempotencyKey(), voucher, signature })),
    yield* said(
      "unfunded",
      act({ _tag: "ProposeEpoch", by, idempotencyKey: idempotencyKey(), ...epoch, gross: 91n, boost: 0n }),
    ),
    yield* said(
      "no boost",
      act({ _tag: "ProposeEpoch", by, idempotencyKey: idempotencyKey(), ...epoch, gross: 9n, boost: 1n }),
    ),
    yield* said(
      "unreadable",
      act({ _tag: "ProposeEpoch", by, idempotencyKey: idempotencyKey(), ...epoch, gross: 1n << 96n, boost: 0n }),
    ),
    yield* said(
      "proposed",
      act({ _tag: "ProposeEpoch", by, idempotencyKey: idempotencyKey(), ...epoch, gross: 9n, boost: 0n }),
    ),
    yield* said("early", act({ _tag: "ApplyRoot", by, idempotencyKey: idempotencyKey(), token, epoch: 5 })),
    yield* said(
      "other kind",
      act({ _tag: "ApplyBatch", by, idempotencyKey: idempotencyKey(), token, epoch: 5, entries }),
    ),
    yield* said("no such", act({ _tag: "ApplyRoot", by, idempotencyKey: idempotencyKey(), token, epoch: 6 })),
    yield* said(
      "no root",
      act({
        _tag: "ClaimRoot",
        by,
        idempotencyKey: idempotencyKey(),
        token,
        account: provider,
        cumulative: 1n,
        proof: [],
      }),
    ),
    yield* said(
      "too many",
      act({ _tag: "PayMany", by, idempotencyKey: idempotencyKey(), token, batchId: device, entries }),
    ),
    yield* said(
      "nobody asked",
      act({ _tag: "Unfund", by: testbed.roles["funder"] ?? ZERO, idempotencyKey: idempotencyKey(), token }),
    ),
  ]
})

const insured = Effect.gen(function* () {
  const { act, terms } = yield* InsuranceVault
  const testbed = yield* ChainTestbed.ChainTestbed
  const by = testbed.roles["adjuster"] ?? ZERO
  const epoch = Math.floor((yield* testbed.nowS) / terms.epochLengthS)
  const asked = { epoch, incident: device, root: nothing, total: 5n }
  return [
    yield* said("nothing", act({ _tag: "Deposit", by, idempotencyKey: idempotencyKey(), amount: 0n })),
    yield* said("empty", act({ _tag: "ProposeClaims", by, idempotencyKey: idempotencyKey(), ...asked })),
    yield* said("none", act({ _tag: "CancelClaims", by, idempotencyKey: idempotencyKey(), epoch, incident: device })),
    yield* said(
      "none to end",
      act({ _tag: "ExpireClaims", by, idempotencyKey: idempotencyKey(), epoch, incident: device }),
    ),
  ]
})

const judged = Effect.gen(function* () {
  const { act, terms } = yield* ValidatorSet
  const testbed = yield* ChainTestbed.ChainTestbed
  const by = yield* testbed.account
  yield* testbed.fund(by, terms.token, 2n * terms.minBond)
  const operator = testbed.roles["operator"] ?? ZERO
  const amount = terms.minBond
  return [
    yield* said("too little", act({ _tag: "Register", by, idempotencyKey: idempotencyKey(), amount: amount - 1n })),
    yield* said("not one", act({ _tag: "RequestExit", by, idempotencyKey: idempotencyKey() })),
    yield* said("registered", act({ _tag: "Register", by, idempotencyKey: idempotencyKey(), amount })),
    yield* said("again", act({ _tag: "Register", by, idempotencyKey: idempotencyKey(), amount })),
    yield* said("no job", act({ _tag: "CloseJob", by, idempotencyKey: idempotencyKey(), job: device })),
    yield* said(
      "no seed",
      act({ _tag: "OpenJob", by: operator, idempotencyKey: idempotencyKey(), job: device, reward: 5n }),
    ),
    yield* said("no credit", act({ _tag: "ClaimCredit", by, idempotencyKey: idempotencyKey() })),
    yield* said("no finder", act({ _tag: "CollectFinderShares", by, idempotencyKey: idempotencyKey() })),
  ]
})

const channels = Effect.gen(function* () {
  const { act } = yield* PaymentChannel
  const testbed = yield* ChainTestbed.ChainTestbed
  const by = yield* testbed.account
  const payee = yield* testbed.account
  const token = yield* testbed.token
  yield* testbed.fund(by, token, 1n << 100n)
  const opening = { payee, token, salt: device, authorizedSigner: ZERO }
  const voucher = { channelId: nothing, cumulativeAmount: 5n, signature }
  return [
    yield* said(
      "to nobody",
      act({ _tag: "Open", by, idempotencyKey: idempotencyKey(), ...opening, payee: ZERO, deposit: 1n }),
    ),
    yield* said("empty", act({ _tag: "Open", by, idempotencyKey: idempotencyKey(), ...opening, deposit: 0n })),
    yield* said(
      "too large",
      act({ _tag: "Open", by, idempotencyKey: idempotencyKey(), ...opening, deposit: 1n << 96n }),
    ),
    yield* said("open", act({ _tag: "Open", by, idempotencyKey: idempotencyKey(), ...opening, deposit: 9n })),
    yield* said("unknown", act({ _tag: "Settle", by: payee, idempotencyKey: idempotencyKey(), ...voucher })),
    yield* said("not there", act({ _tag: "Withdraw", by, idempotencyKey: idempotencyKey(), channelId: nothing })),
    yield* said(
      "no channel",
      act({ _tag: "TopUp", by, idempotencyKey: idempotencyKey(), channelId: nothing, amount: 1n }),
    ),
  ]
})

/** All of it, in words. */
export const all = Effect.all([stakes, bonds, settlements, insured, judged, channels]).pipe(
  Effect.map((lists) => lists.flat()),
)

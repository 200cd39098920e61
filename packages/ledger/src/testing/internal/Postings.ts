/**
 * The proofs of a ledger's store that concern keys and what a posting may be.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import type { AccountId } from "../../Account.ts"
import type { HoldId } from "../../Hold.ts"
import type { Command } from "../../LedgerStore.ts"
import { AMOUNT_MAX } from "../../Limits.ts"
import type { Posting, Rate } from "../../Posting.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

/** An asset that no test has used. */
const freshAsset = (scale: number): Asset => ({
  code: AssetCode.make(`X${Sample.text().toUpperCase().slice(0, 12)}`),
  scale,
})

const EUR: Asset = { code: AssetCode.make("EUR"), scale: 12 }

/** What was opened is not opened again. */
const openedOnce = Effect.gen(function* () {
  const { buyer } = yield* Trial.people(100n)
  const again = yield* Trial.answer(Sample.open(buyer), "Opened")
  assert.isTrue(again.replayed && again.account.balance === 100n)
  for (const other of [
    { floor: -5n },
    { floor: null },
    { ceiling: 1_000n },
    { kind: "pool" as const },
    { asset: EUR },
  ]) {
    yield* Trial.refuses(Sample.open(buyer, other), "Conflict")
  }
  const ceiled = Sample.open(Sample.accountId(), { ceiling: 10n })
  yield* Trial.outcome(ceiled)
  assert.isTrue((yield* Trial.answer(ceiled, "Opened")).replayed)
  yield* Trial.refuses({ ...ceiled, ceiling: 11n }, "Conflict")

  // New terms change neither what it was opened with, nor that their own key is used.
  const terms = Sample.setTerms(buyer, { ceiling: 500n })
  const set = yield* Trial.answer(terms, "TermsSet")
  assert.isTrue(!set.replayed && set.account.ceiling === 500n)
  yield* Trial.outcome(Sample.setTerms(buyer, { ceiling: 600n }))
  const setAgain = yield* Trial.answer(terms, "TermsSet")
  assert.isTrue(setAgain.replayed)
  assert.strictEqual((yield* Trial.account(buyer)).ceiling, 600n)
  const { idempotencyKey } = terms
  yield* Trial.refuses(Sample.setTerms(buyer, { ceiling: 501n }, idempotencyKey), "Conflict")
  yield* Trial.refuses(Sample.setTerms(ceiled.id, { ceiling: 500n }, idempotencyKey), "Conflict")
  yield* Trial.refuses(Sample.post(buyer, ceiled.id, 1n, { idempotencyKey }), "Conflict")
  assert.isTrue((yield* Trial.answer(Sample.open(buyer), "Opened")).replayed)
})

/** What was posted is not posted again. */
const postedOnce = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const { posting } = Sample.post(outside, buyer, 10n, { kind: "topUp", links: { request: "r", case: "c" } })
  const post = (values: Partial<Posting> = {}): Command => ({ _tag: "Post", posting: { ...posting, ...values } })
  const first = yield* Trial.answer(post(), "Posted")
  assert.isFalse(first.replayed)
  const again: Command = post({ links: { case: "c", request: "r" }, attachments: [{ kind: "note", body: 1 }] })
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(again), { ...first, replayed: true })
  const others: ReadonlyArray<Partial<Posting>> = [
    { legs: Sample.posting(outside, buyer, 11n).legs },
    { legs: Sample.posting(outside, provider, 10n).legs },
    { legs: posting.legs.toReversed() },
    { kind: "grant" },
    { links: { request: "r" } },
    { links: { request: "r", case: "d" } },
    { effectiveAtMs: 0 },
  ]
  for (const other of others) yield* Trial.refuses(post(other), "Conflict")
  yield* Trial.stands(buyer, 110n, 0n)

  // The same key twice within one batch is no different from the same key in two.
  const twice = Sample.post(outside, buyer, 1n)
  const [one, other] = yield* Trial.commit([twice, twice])
  assert.isTrue(one !== undefined && Result.isSuccess(one) && other !== undefined && Result.isSuccess(other))
  yield* Trial.stands(buyer, 111n, 0n)

  for (const idempotencyKey of ["ledger:", "ledger:open:x", `ledger:reversal:${first.sequence}`]) {
    yield* Trial.refuses(post({ idempotencyKey }), "InvalidCommand")
    yield* Trial.refuses(Sample.setTerms(buyer, { ceiling: 500n }, idempotencyKey), "InvalidCommand")
  }
  yield* Trial.outcome(post({ idempotencyKey: `Ledger:${Sample.text()}` }))
})

/** What was held, drawn, settled or voided is so once. */
const heldOnce = Effect.gen(function* () {
  const { buyer, provider } = yield* Trial.people(110n)
  const request = Sample.holdRequest(buyer, 40n)
  const held = yield* Trial.answer({ _tag: "Hold", hold: request }, "Held")
  assert.isTrue(!held.replayed && held.available === 70n)
  const again = { ...request, context: "another", lifeMs: 1_000 }
  assert.deepStrictEqual<unknown>(yield* Trial.outcome({ _tag: "Hold", hold: again }), { ...held, replayed: true })
  for (const other of [{ amount: 41n }, { account: provider }, { owner: "another" }, { definitionDigest: "another" }]) {
    yield* Trial.refuses({ _tag: "Hold", hold: { ...request, ...other } }, "Conflict")
  }
  yield* Trial.stands(buyer, 110n, 40n)

  for (const [_tag, amount, left] of [
    ["Draw", 5n, 35n],
    ["Settle", 30n, 0n],
  ] as const) {
    const posting = Sample.posting(buyer, provider, amount)
    const take = (changed: {
      readonly posting?: Posting
      readonly hold?: HoldId
      readonly _tag?: "Draw" | "Settle"
    }): Command => ({
      _tag,
      hold: request.id,
      posting,
      ...changed,
    })
    const command = take({})
    const made = yield* Trial.answer(command, "Posted")
    assert.isFalse(made.replayed)
    assert.deepStrictEqual<unknown>(yield* Trial.outcome(command), { ...made, replayed: true })
    const dearer = Sample.posting(buyer, provider, amount + 1n, { idempotencyKey: posting.idempotencyKey })
    yield* Trial.refuses(take({ posting: dearer }), "Conflict")
    yield* Trial.refuses(take({ _tag: _tag === "Draw" ? "Settle" : "Draw" }), "Conflict")
    yield* Trial.refuses(take({ hold: Sample.holdId() }), "Conflict")
    yield* Trial.refuses({ _tag: "Post", posting }, "Conflict")
    assert.strictEqual((yield* Trial.account(buyer)).held, left)
  }
  yield* Trial.stands(buyer, 75n, 0n)

  const voided: Command = { _tag: "Void", hold: Sample.holdId(), attachments: [] }
  yield* Trial.outcome(Sample.hold(buyer, 5n, { id: voided.hold }))
  assert.deepStrictEqual(yield* Trial.outcome(voided), { _tag: "Voided", replayed: false })
  assert.deepStrictEqual(yield* Trial.outcome(voided), { _tag: "Voided", replayed: true })
  yield* Trial.stands(buyer, 75n, 0n)
})

/** What was taken back is so once, and for good. */
const reversedOnce = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const charge = yield* Trial.posted(Sample.post(buyer, provider, 30n, { links: { request: "r" } }))
  const reverse: Command = { _tag: "Reverse", sequence: charge.sequence, attachments: [] }
  const reversal = yield* Trial.posted(reverse)
  assert.strictEqual(reversal.posting.kind, "reversal")
  assert.deepStrictEqual(
    reversal.posting.legs,
    charge.posting.legs.map(({ account, amount }) => ({ account, amount: -amount })),
  )
  assert.deepStrictEqual(reversal.posting.links, { request: "r", reverses: charge.sequence.toString() })
  yield* Trial.stands(buyer, 100n, 0n)
  assert.deepStrictEqual<unknown>(yield* Trial.outcome({ ...reverse, attachments: [{ kind: "note", body: 1 }] }), {
    _tag: "Posted",
    sequence: reversal.sequence,
    replayed: true,
  })
  yield* Trial.stands(buyer, 100n, 0n)
  yield* Trial.refuses({ ...reverse, sequence: reversal.sequence }, "InvalidCommand")
  yield* Trial.refuses({ ...reverse, sequence: 0n }, "InvalidCommand")
  yield* Trial.refuses({ ...reverse, sequence: 2n ** 62n }, "InvalidCommand")
  // What opened an account is an entry too, and no posting.
  const opened = (yield* History.entries).find(({ _tag }) => _tag === "Acted") ?? assert.fail("nothing was opened")
  yield* Trial.refuses({ ...reverse, sequence: opened.sequence }, "InvalidCommand")
  yield* Trial.refuses(Sample.post(outside, buyer, 1n, { kind: "reversal" }), "InvalidCommand")
})

/** Linked commands are, each with its own key, what they are alone. */
const linkedOnce = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const held = Sample.hold(buyer, 10n)
  const posting = Sample.posting(buyer, provider, 10n)
  const commands = [
    Sample.post(outside, buyer, 5n),
    held,
    { _tag: "Settle", hold: held.hold.id, posting },
    Sample.setTerms(buyer, { ceiling: 1_000n }),
  ] as const
  const first = yield* Trial.answer({ _tag: "Link", commands }, "Linked")
  const replayed = ({ _tag, ...rest }: (typeof first.outcomes)[number]) => ("replayed" in rest ? rest.replayed : _tag)
  assert.deepStrictEqual(first.outcomes.map(replayed), [false, false, false, false])
  const second = yield* Trial.answer({ _tag: "Link", commands }, "Linked")
  assert.deepStrictEqual(second.outcomes.map(replayed), [true, true, true, true])
  yield* Trial.stands(buyer, 95n, 0n)
  const { idempotencyKey } = posting
  yield* Trial.refusesLink(
    [Sample.post(outside, buyer, 5n), Sample.post(buyer, provider, 11n, { idempotencyKey })],
    1,
    "Conflict",
  )
  yield* Trial.refusesLink([commands[0], Sample.open(buyer, { floor: -1n })], 1, "Conflict")
  yield* Trial.stands(buyer, 95n, 0n)
})

/** Guarantee 1. @since 0.1.0 */
export const idempotent = Effect.all([openedOnce, postedOnce, heldOnce, reversedOnce, linkedOnce], { discard: true })

const post = (legs: ReadonlyArray<readonly [AccountId, bigint]>, values: Partial<Posting> = {}): Command => ({
  _tag: "Post",
  posting: Sample.postingOf(legs, values),
})

/** All legs or none, in one asset. */
const summed = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  yield* Trial.refuses(
    post([
      [buyer, -10n],
      [provider, 9n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    post([
      [buyer, 10n],
      [provider, 10n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    post([
      [buyer, -10n],
      [provider, 10n],
      [Sample.accountId(), 0n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    post([
      [buyer, -10n],
      [provider, 10n],
      [buyer, 0n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    post([
      [buyer, -AMOUNT_MAX - 1n],
      [outside, AMOUNT_MAX + 1n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    post([
      [outside, -AMOUNT_MAX],
      [provider, AMOUNT_MAX],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(post([[buyer, -1n]]), "InvalidCommand")
  yield* Trial.refuses(post([]), "InvalidCommand")
  yield* Trial.refuses(
    post([
      [buyer, -10n],
      [Sample.accountId(), 10n],
    ]),
    "UnknownAccount",
  )
  yield* Trial.refuses(
    post([
      [provider, -1n],
      [buyer, 1n],
    ]),
    "InsufficientFunds",
  )
  yield* Trial.stands(buyer, 100n, 0n)
  yield* Trial.stands(provider, 0n, 0n)
  yield* Trial.outcome(
    post([
      [buyer, -10n],
      [provider, 6n],
      [outside, 4n],
    ]),
  )
  yield* Trial.stands(buyer, 90n, 0n)
  yield* Trial.stands(provider, 6n, 0n)
  yield* Trial.stands(outside, -96n, 0n)
  // The same account twice: what counts is where it ends.
  yield* Trial.outcome(
    post([
      [provider, -7n],
      [buyer, 2n],
      [provider, 5n],
    ]),
  )
  yield* Trial.stands(provider, 4n, 0n)
  yield* Trial.stands(buyer, 92n, 0n)
  const many = Array.from({ length: 50 }, (): ReadonlyArray<readonly [AccountId, bigint]> => [
    [buyer, -1n],
    [provider, 1n],
  ]).flat()
  yield* Trial.outcome(post(many))
  yield* Trial.refuses(post([...many, [buyer, -1n], [provider, 1n]]), "InvalidCommand")
  yield* Trial.stands(provider, 54n, 0n)
})

/** Two assets, by a rate and through the exchange accounts of both only. */
const exchanged = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(1_000n)
  const asset = freshAsset(2)
  const [euros, otherEuros, rounding] = [Sample.accountId(), Sample.accountId(), Sample.accountId("rounding")]
  const [usdDesk, euroDesk] = [Sample.accountId("exchange"), Sample.accountId("exchange")]
  for (const id of [euros, otherEuros]) yield* Trial.outcome(Sample.open(id, { asset, floor: null }))
  yield* Trial.outcome(Sample.open(rounding, { kind: "rounding", asset }))
  yield* Trial.outcome(Sample.open(usdDesk, { kind: "exchange", floor: null }))
  yield* Trial.outcome(Sample.open(euroDesk, { kind: "exchange", asset, floor: null }))
  yield* Trial.refuses(Sample.open(Sample.accountId(), { asset: { ...asset, scale: 3 } }), "InvalidCommand")
  yield* Trial.refuses(
    post([
      [buyer, -10n],
      [euros, 10n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    post([
      [buyer, -10n],
      [provider, 5n],
      [euros, 5n],
    ]),
    "InvalidCommand",
  )
  const both = [
    [buyer, -10n],
    [provider, 10n],
    [euros, -3n],
    [otherEuros, 3n],
  ] as const
  yield* Trial.refuses(post(both), "InvalidCommand")

  // 101 at 9 for 10 are 90.9.
  const rate: Rate = {
    from: Sample.USD.code,
    to: asset.code,
    numerator: 9n,
    denominator: 10n,
    source: "desk",
    asOfMs: 1,
  }
  const exchange = (given: bigint, values: Partial<Posting> = {}) =>
    post(
      [
        [buyer, -101n],
        [usdDesk, 101n],
        [euroDesk, -given],
        [euros, given - 1n],
        [rounding, 1n],
      ],
      {
        kind: "exchange",
        rate,
        ...values,
      },
    )
  yield* Trial.refuses(post(both, { kind: "exchange", rate }), "InvalidCommand")
  for (const given of [89n, 92n, 101n]) yield* Trial.refuses(exchange(given), "InvalidCommand")
  yield* Trial.refuses(exchange(90n, { kind: "charge" }), "InvalidCommand")
  yield* Trial.refuses(
    post(
      [
        [buyer, -1n],
        [provider, 1n],
      ],
      { kind: "exchange", rate },
    ),
    "InvalidCommand",
  )
  yield* Trial.refuses(exchange(90n, { rate: { ...rate, from: asset.code, to: Sample.USD.code } }), "InvalidCommand")
  yield* Trial.refuses(exchange(90n, { rate: { ...rate, to: EUR.code } }), "InvalidCommand")
  yield* Trial.refuses(exchange(90n, { rate: { ...rate, denominator: 0n } }), "InvalidCommand")
  yield* Trial.refuses(
    post(
      [
        [buyer, -101n],
        [outside, 101n],
        [euroDesk, -90n],
        [euros, 90n],
      ],
      { kind: "exchange", rate },
    ),
    "InvalidCommand",
  )
  yield* Trial.stands(buyer, 1_000n, 0n)
  const made = yield* Trial.posted(exchange(91n))
  assert.deepStrictEqual(made.posting.rate, rate)
  yield* Trial.outcome(exchange(90n))
  yield* Trial.stands(buyer, 798n, 0n)
  yield* Trial.stands(euros, 179n, 0n)
  yield* Trial.stands(rounding, 2n, 0n)
  yield* Trial.stands(euroDesk, -181n, 0n)
  const back = yield* Trial.posted({ _tag: "Reverse", sequence: made.sequence, attachments: [] })
  assert.deepStrictEqual(back.posting.rate, rate)
  yield* Trial.stands(buyer, 899n, 0n)
  yield* Trial.stands(euroDesk, -90n, 0n)
})

/** Guarantee 2. @since 0.1.0 */
export const balanced = Effect.all([summed, exchanged], { discard: true })

/**
 * The proofs of a ledger's store that concern what an account may have: floors, ceilings and its other terms.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as Trial from "./Trial.ts"

/** What was made of these commands, each sent by a caller of its own, all at once. */
const atOnce = <C extends Command>(commands: ReadonlyArray<C>) =>
  LedgerStore.use((store) =>
    Effect.map(
      Effect.all(
        commands.map((command) => store.commit([command])),
        { concurrency: "unbounded" },
      ),
      (answers) => commands.filter((_, at) => answers[at]?.[0] !== undefined && Result.isSuccess(answers[at][0])),
    ),
  )

const floors = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const taken = yield* atOnce(Array.from({ length: 40 }, () => Sample.hold(buyer, 7n)))
  assert.lengthOf(taken, 14)
  yield* Trial.stands(buyer, 100n, 98n)
  // What is held cannot be spent, nor held again; what is left can.
  yield* Trial.refuses(Sample.post(buyer, provider, 3n), "InsufficientFunds")
  yield* Trial.refuses(Sample.hold(buyer, 3n), "InsufficientFunds")
  yield* Trial.outcome(Sample.post(buyer, provider, 2n))
  yield* Trial.outcome(Sample.hold(buyer, 0n))
  const [first] = taken
  if (first === undefined) return
  const tooMuch = Sample.posting(buyer, provider, 8n)
  yield* Trial.refuses({ _tag: "Settle", hold: first.hold.id, posting: tooMuch }, "InvalidCommand")
  yield* Trial.stands(buyer, 98n, 98n)

  const credit = Sample.accountId()
  yield* Trial.outcome(Sample.open(credit, { floor: -5n }))
  yield* Trial.refuses(Sample.post(credit, provider, 6n), "InsufficientFunds")
  yield* Trial.outcome(Sample.post(credit, provider, 3n))
  yield* Trial.outcome(Sample.hold(credit, 2n))
  yield* Trial.refuses(Sample.post(credit, provider, 1n), "InsufficientFunds")
  yield* Trial.stands(credit, -3n, 2n)
  // No floor, no limit.
  yield* Trial.outcome(Sample.post(outside, provider, 10n ** 30n))
})

const ceilings = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const jar = Sample.accountId("pool")
  yield* Trial.outcome(Sample.open(jar, { kind: "pool", ceiling: 50n }))
  const made = yield* atOnce(Array.from({ length: 20 }, () => Sample.post(outside, jar, 7n)))
  assert.lengthOf(made, 7)
  yield* Trial.outcome(Sample.post(outside, jar, 1n))
  yield* Trial.stands(jar, 50n, 0n)
  yield* Trial.refuses(Sample.post(outside, jar, 1n), "CeilingExceeded")
  // What is pending may come back, so a hold makes no room; what is drawn of it does, and so does what goes out again.
  const held = Sample.hold(jar, 40n)
  yield* Trial.outcome(held)
  yield* Trial.refuses(Sample.post(outside, jar, 1n), "CeilingExceeded")
  yield* Trial.outcome({ _tag: "Draw", hold: held.hold.id, posting: Sample.posting(jar, provider, 10n) })
  yield* Trial.refuses(Sample.post(outside, jar, 11n), "CeilingExceeded")
  yield* Trial.outcome(Sample.post(outside, jar, 10n))
  yield* Trial.stands(jar, 50n, 30n)
  yield* Trial.outcome({ _tag: "Void", hold: held.hold.id, attachments: [] })
  yield* Trial.refuses(Sample.post(outside, jar, 1n), "CeilingExceeded")
  yield* Trial.outcome({
    _tag: "Post",
    posting: Sample.postingOf([
      [jar, 30n],
      [buyer, -30n],
      [jar, -30n],
      [provider, 30n],
    ]),
  })
  yield* Trial.stands(jar, 50n, 0n)
  // A settlement and a claim are no way around it.
  const other = Sample.hold(buyer, 20n)
  yield* Trial.outcome(other)
  yield* Trial.refuses(
    { _tag: "Settle", hold: other.hold.id, posting: Sample.posting(buyer, jar, 20n) },
    "CeilingExceeded",
  )
  assert.strictEqual((yield* Trial.hold(other.hold.id)).state, "pending")
  // Nor is a reversal: neither here, nor where the money is spent already.
  const spent = yield* Trial.posted(Sample.post(jar, provider, 5n))
  yield* Trial.outcome(Sample.post(outside, jar, 5n))
  yield* Trial.refuses({ _tag: "Reverse", sequence: spent.sequence, attachments: [] }, "CeilingExceeded")
  const funded = yield* Trial.posted(Sample.post(outside, buyer, 10n))
  yield* Trial.outcome(Sample.post(buyer, provider, 60n))
  yield* Trial.refuses({ _tag: "Reverse", sequence: funded.sequence, attachments: [] }, "InsufficientFunds")
  yield* Trial.stands(buyer, 20n, 20n)
})

const terms = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const set = (values: Parameters<typeof Sample.setTerms>[1]) => Sample.setTerms(buyer, values)
  const held = Sample.hold(buyer, 40n)
  yield* Trial.outcome(held)
  yield* Trial.refuses(set({ floor: 61n }), "InvalidCommand")
  yield* Trial.refuses(set({ ceiling: 99n }), "InvalidCommand")
  yield* Trial.refuses(set({ floor: 10n, ceiling: 9n }), "InvalidCommand")
  yield* Trial.refuses(Sample.setTerms(Sample.accountId(), {}), "UnknownAccount")
  assert.include(yield* Trial.account(buyer), { floor: 0n, ceiling: null, state: "open" })
  yield* Trial.outcome(set({ floor: 60n, ceiling: 100n }))
  assert.include(yield* Trial.account(buyer), { floor: 60n, ceiling: 100n, balance: 100n, held: 40n })
  yield* Trial.refuses(Sample.post(buyer, provider, 1n), "InsufficientFunds")
  yield* Trial.refuses(Sample.post(outside, buyer, 1n), "CeilingExceeded")
  yield* Trial.outcome(set({ floor: -10n }))
  yield* Trial.outcome(Sample.post(buyer, provider, 70n))
  yield* Trial.refuses(Sample.post(buyer, provider, 1n), "InsufficientFunds")
  yield* Trial.refuses(set({ floor: -9n }), "InvalidCommand")
  yield* Trial.stands(buyer, 30n, 40n)
})

/** A frozen account gives what a hold promised, and nothing else; a closed one is empty, and stays as it is. */
const states = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const set = (state: "open" | "frozen" | "closed") => Sample.setTerms(buyer, { state })
  const [settled, voided] = [Sample.hold(buyer, 40n), Sample.hold(buyer, 30n)]
  for (const hold of [settled, voided]) yield* Trial.outcome(hold)
  yield* Trial.outcome(set("frozen"))
  yield* Trial.refuses(Sample.post(buyer, provider, 1n), "AccountNotOpen")
  yield* Trial.refuses(Sample.post(outside, buyer, 1n), "AccountNotOpen")
  yield* Trial.refuses(Sample.hold(buyer, 0n), "AccountNotOpen")
  const pay = (amount: bigint) => ({ hold: settled.hold.id, posting: Sample.posting(buyer, provider, amount) })
  // Nor does it pay for what was promised by others, though it takes what it is paid.
  const [rich, frozen] = [Sample.accountId(), buyer]
  yield* Trial.outcome(Sample.open(rich))
  yield* Trial.outcome(Sample.post(outside, rich, 10n))
  const others = Sample.hold(rich, 10n)
  yield* Trial.outcome(others)
  const shared = Sample.postingOf([
    [rich, -5n],
    [frozen, -5n],
    [provider, 10n],
  ])
  for (const _tag of ["Draw", "Settle"] as const) {
    yield* Trial.refuses({ _tag, hold: others.hold.id, posting: shared }, "AccountNotOpen")
  }
  yield* Trial.stands(buyer, 100n, 70n)
  yield* Trial.outcome({ _tag: "Draw", ...pay(10n) })
  yield* Trial.outcome({ _tag: "Settle", ...pay(30n) })
  yield* Trial.outcome({ _tag: "Void", hold: voided.hold.id, attachments: [] })
  yield* Trial.stands(buyer, 60n, 0n)
  yield* Trial.refuses(set("closed"), "InvalidCommand")
  yield* Trial.outcome(set("open"))
  const held = Sample.hold(buyer, 0n)
  yield* Trial.outcome(held)
  yield* Trial.outcome(Sample.post(buyer, provider, 60n))
  const last = Sample.setTerms(buyer, { floor: -5n })
  yield* Trial.outcome(last)
  const promised = Sample.hold(buyer, 5n)
  yield* Trial.outcome(promised)
  // What is still held of it may yet go out.
  yield* Trial.refuses(set("closed"), "InvalidCommand")
  yield* Trial.outcome({ _tag: "Void", hold: promised.hold.id, attachments: [] })
  yield* Trial.outcome(set("closed"))
  assert.strictEqual((yield* Trial.account(buyer)).state, "closed")
  for (const state of ["open", "frozen"] as const) yield* Trial.refuses(set(state), "InvalidCommand")
  yield* Trial.refuses(Sample.post(outside, buyer, 1n), "AccountNotOpen")
  yield* Trial.refuses(Sample.hold(buyer, 0n), "AccountNotOpen")
  yield* Trial.refuses(
    { _tag: "Settle", hold: held.hold.id, posting: Sample.posting(outside, buyer, 1n) },
    "AccountNotOpen",
  )
  assert.isTrue((yield* Trial.answer(last, "TermsSet")).replayed)
  assert.strictEqual((yield* Trial.account(buyer)).state, "closed")
})

/** Guarantee 3. @since 0.1.0 */
export const limited = Effect.all([floors, ceilings, terms, states], { discard: true })

/**
 * The suite of the port `AnswerStore`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { MemberId } from "@guildhall/core/Member"
import type { RequestId } from "@guildhall/core/Request"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { AnswerStore, type Claim, type Claimed, type Limits, type SlotState } from "../AnswerStore.ts"
import * as SampleEntry from "./SampleEntry.ts"

/**
 * The limits that the store under test is to be made with: small enough to be reached.
 *
 * @category constants
 * @since 0.1.0
 */
export const limits: Limits = { memberBytes: 1_000, memberSlots: 12 }

/** Lets the store's time pass by so many milliseconds. */
type Pass = (ms: number) => Effect.Effect<void>

const LONG_MS = 600_000
const SHORT_MS = 40

const requestId = (): RequestId => {
  const [id] = SampleEntry.requestIds(1)
  return id ?? assert.fail("there is no id")
}

const sample = (values: Partial<Claim> = {}): Claim => ({
  slot: SampleEntry.text(),
  fingerprint: SampleEntry.text(),
  member: SampleEntry.member(),
  request: requestId(),
  leaseMs: LONG_MS,
  ...values,
})

const claim = (asked: Claim) => Effect.flatMap(AnswerStore, (store) => store.claim(asked))
const claimed = Effect.fnUntraced(function* (asked: Claim, where = "") {
  assert.deepStrictEqual<Claimed>(yield* claim(asked), { _tag: "Claimed" }, where)
})

/** What somebody else is told of the slot. */
const told = (asked: Claim) => claim({ ...sample(), slot: asked.slot, member: asked.member })
const stands = Effect.fnUntraced(function* (asked: Claim, state: SlotState, bytes = 0) {
  const { fingerprint, request } = asked
  assert.deepStrictEqual<Claimed>(yield* told(asked), { _tag: "Taken", request, fingerprint, state, bytes })
})

const answer = (size: number) => ({
  keyId: "key_1",
  bytes: Uint8Array.from({ length: size }, (_, at) => (at * 7 + size) % 256),
})

const keep = (asked: Claim, size: number | null, lifeMs = LONG_MS) =>
  Effect.flatMap(AnswerStore, (store) => store.keep(asked, size === null ? null : answer(size), lifeMs))
const find = (asked: Claim) => Effect.flatMap(AnswerStore, (store) => store.find(asked.slot))

const one = Effect.gen(function* () {
  const first = sample()
  const rivals = Array.from({ length: 12 }, () => ({ ...sample(), slot: first.slot, member: first.member }))
  const answers = yield* Effect.forEach(rivals, (rival) => Effect.zip(Effect.succeed(rival), claim(rival)), {
    concurrency: "unbounded",
  })
  const winners = answers.filter(([, { _tag }]) => _tag === "Claimed")
  assert.lengthOf(winners, 1)
  const [[winner]] = [winners[0] ?? assert.fail("nobody won")]
  for (const [rival, told] of answers) {
    if (rival === winner) continue
    const { fingerprint, request } = winner
    assert.deepStrictEqual<Claimed>(told, { _tag: "Taken", request, fingerprint, state: "running", bytes: 0 })
  }
  yield* claimed(winner, "asked again")
  yield* stands(winner, "running")
  yield* claimed(sample(), "of another slot")
})

const lapses = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* AnswerStore
    const renewed = sample({ leaseMs: SHORT_MS })
    const alone = sample({ leaseMs: SHORT_MS })
    yield* Effect.forEach([renewed, alone], (asked) => claimed(asked), { discard: true })
    assert.strictEqual(yield* store.renew([renewed, sample(), { ...alone, request: requestId() }], LONG_MS), 1)
    assert.strictEqual(yield* store.renew([], LONG_MS), 0)
    const early = { ...sample(), slot: renewed.slot, member: renewed.member, after: renewed.request }
    yield* pass(SHORT_MS + 1)
    yield* stands(renewed, "running")
    assert.strictEqual((yield* claim(early))._tag, "Taken")
    yield* stands(renewed, "running")
    yield* stands(alone, "lapsed")
    const wrong = { ...sample(), slot: alone.slot, member: alone.member, after: requestId() }
    assert.strictEqual((yield* claim(wrong))._tag, "Taken")
    const heirs = Array.from({ length: 8 }, () => ({
      ...sample(),
      slot: alone.slot,
      member: alone.member,
      after: alone.request,
    }))
    const answers = yield* Effect.forEach(heirs, claim, { concurrency: "unbounded" })
    assert.lengthOf(
      answers.filter(({ _tag }) => _tag === "Claimed"),
      1,
    )
    const heir = heirs[answers.findIndex(({ _tag }) => _tag === "Claimed")] ?? assert.fail("there is no heir")
    yield* stands(heir, "running")
    assert.strictEqual((yield* claim(alone))._tag, "Taken")
    assert.strictEqual(yield* store.renew([alone], LONG_MS), 0)
  })

const own = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* AnswerStore
    const former = sample({ leaseMs: SHORT_MS })
    yield* claimed(former)
    yield* pass(SHORT_MS + 1)
    const heir = { ...sample(), slot: former.slot, member: former.member, after: former.request }
    yield* claimed(heir)
    assert.strictEqual(yield* keep(former, 10), "lost")
    yield* store.release(former)
    yield* stands(heir, "running")
    assert.strictEqual(yield* keep(heir, 20), "kept")
    assert.strictEqual(yield* keep(heir, 30), "lost")
    assert.strictEqual(yield* keep(heir, null), "lost")
    yield* store.release(heir)
    yield* stands(heir, "kept", 20)
    assert.strictEqual(yield* keep(sample(), 10), "lost")
  })

const kept = (pass: Pass) =>
  Effect.gen(function* () {
    const asked = sample()
    yield* claimed(asked)
    assert.isUndefined(yield* find(asked))
    assert.strictEqual(yield* keep(asked, 513, SHORT_MS * 10), "kept")
    yield* stands(asked, "kept", 513)
    const found = yield* find(asked)
    assert.strictEqual(found?.request, asked.request)
    assert.strictEqual(found?.keyId, "key_1")
    assert.deepStrictEqual([...(found?.bytes ?? [])], [...answer(513).bytes])
    const again = yield* find(asked)
    assert.deepStrictEqual([...(again?.bytes ?? [])], [...answer(513).bytes])
    yield* pass(SHORT_MS * 10 + 1)
    assert.isUndefined(yield* find(asked))
    const next = { ...sample(), slot: asked.slot, member: asked.member }
    yield* claimed(next)
    yield* stands(next, "running")
    assert.isUndefined(yield* find(asked))
  })

const withheld = (pass: Pass) =>
  Effect.gen(function* () {
    const asked = sample()
    yield* claimed(asked)
    assert.strictEqual(yield* keep(asked, null, SHORT_MS * 10), "withheld")
    yield* stands(asked, "withheld")
    assert.isUndefined(yield* find(asked))
    yield* pass(SHORT_MS * 10 + 1)
    yield* claimed({ ...sample(), slot: asked.slot, member: asked.member })
  })

const released = Effect.gen(function* () {
  const store = yield* AnswerStore
  const asked = sample()
  yield* claimed(asked)
  yield* store.release(asked)
  yield* store.release(asked)
  const next = { ...sample(), slot: asked.slot, member: asked.member }
  yield* claimed(next)
  yield* stands(next, "running")
})

const bytesLimit = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* AnswerStore
    const member = SampleEntry.member()
    const mine = (lifeMs: number, size: number) =>
      Effect.gen(function* () {
        const asked = sample({ member })
        yield* claimed(asked)
        return [asked, yield* keep(asked, size, lifeMs)] as const
      })
    const [brief] = yield* mine(SHORT_MS * 10, 400)
    const [, second] = yield* mine(LONG_MS, 600)
    assert.strictEqual(second, "kept")
    const [third, outcome] = yield* mine(LONG_MS, 1)
    assert.strictEqual(outcome, "withheld")
    yield* stands(third, "withheld")
    const other = sample()
    yield* claimed(other)
    assert.strictEqual(yield* keep(other, 1_000), "kept")
    yield* pass(SHORT_MS * 10 + 1)
    yield* store.sweep(1_000)
    assert.isUndefined(yield* find(brief))
    // Several at once share what is left.
    const many = yield* Effect.forEach([1, 2, 3, 4, 5], () => mine(LONG_MS, 150), { concurrency: "unbounded" })
    assert.lengthOf(
      many.filter(([, outcome]) => outcome === "kept"),
      2,
    )
  })

const slotsLimit = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* AnswerStore
    const member: MemberId = SampleEntry.member()
    const taken = Array.from({ length: limits.memberSlots }, () => sample({ member }))
    yield* Effect.forEach(taken, (asked) => claimed(asked), { discard: true })
    assert.deepStrictEqual<Claimed>(yield* claim(sample({ member })), { _tag: "Full" })
    yield* claimed(sample(), "of another member")
    const [first, second, third] = taken
    if (first === undefined || second === undefined || third === undefined) return assert.fail("too few")
    yield* stands(first, "running")
    yield* keep(first, null)
    assert.deepStrictEqual<Claimed>(yield* claim(sample({ member })), { _tag: "Full" })
    yield* store.release(second)
    yield* claimed(sample({ member }))
    assert.deepStrictEqual<Claimed>(yield* claim(sample({ member })), { _tag: "Full" })
    yield* keep(third, 5, SHORT_MS)
    yield* pass(SHORT_MS + 1)
    yield* store.sweep(1_000)
    yield* claimed(sample({ member }))
    assert.deepStrictEqual<Claimed>(yield* claim(sample({ member })), { _tag: "Full" })
  })

const swept = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* AnswerStore
    yield* store.sweep(1_000)
    const [brief, long, running] = [sample(), sample(), sample({ leaseMs: SHORT_MS })]
    const briefs = [brief, sample(), sample()]
    yield* Effect.forEach([...briefs, long, running], (asked) => claimed(asked), { discard: true })
    yield* Effect.forEach(briefs, (asked) => keep(asked, 10, SHORT_MS), { discard: true })
    yield* keep(long, 10, LONG_MS)
    yield* pass(SHORT_MS + 1)
    assert.strictEqual(yield* store.sweep(2), 2)
    assert.strictEqual(yield* store.sweep(2), 1)
    assert.strictEqual(yield* store.sweep(2), 0)
    assert.strictEqual((yield* find(long))?.bytes.length, 10)
    yield* stands(running, "lapsed")
    yield* claimed({ ...sample(), slot: brief.slot })
  })

/**
 * What a store guarantees, in the order of the port's documentation; the proof of each is a function of how time passes.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<(pass: Pass) => Conformance.Proof<AnswerStore>>> = [
  {
    number: 1,
    test: "Of all who claim a free slot one is answered `Claimed`, each time it asks; the others are told whose it is, and for what.",
    proof: () => one,
  },
  {
    number: 2,
    test: "A claim lapses by the store's own clock unless it is renewed, and then still holds its slot; of those who take it over from that request, one is answered `Claimed`, and nobody takes over a claim that lives.",
    proof: lapses,
  },
  {
    number: 3,
    test: "Only the request whose claim it is keeps, withholds or releases; one that lost its claim changes nothing.",
    proof: own,
  },
  {
    number: 4,
    test: "A kept answer is read back byte for byte until its time is over, and never after; the slot is free then.",
    proof: kept,
  },
  {
    number: 5,
    test: "A withheld answer holds its slot without a byte until its time is over.",
    proof: withheld,
  },
  { number: 6, test: "A released slot is free at once.", proof: () => released },
  {
    number: 7,
    test: "What is kept for a member never exceeds the limit: what does not fit is withheld, and other members lose nothing by it.",
    proof: bytesLimit,
  },
  {
    number: 8,
    test: "A member who holds as many slots as the limit allows is told `Full`, until one is free again.",
    proof: slotsLimit,
  },
  {
    number: 9,
    test: "A sweep erases what is over, leaves the rest, and answers how many slots it erased.",
    proof: swept,
  },
]

/**
 * How a suite is run. `pass` lets the store's time pass by so many milliseconds: `TestClock.adjust` for a store that
 * follows Effect's clock, a real pause for one with a clock of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Conformance.Options {
  readonly pass: Pass
}

const port = ({ pass }: Pick<Options, "pass">): Conformance.Port<AnswerStore> => ({
  name: "AnswerStore",
  guarantees: guarantees.map((guarantee) => ({ ...guarantee, proof: guarantee.proof(pass) })),
  clock: "virtual",
})

/**
 * Proves a store that was made with {@link limits}. A guarantee that a layer cannot keep is skipped with its reason, which
 * is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<AnswerStore, E>, options: Options): void =>
  Conformance.suite(port(options))(name, layer, options)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(
  name: string,
  layer: Layer.Layer<AnswerStore, E>,
  number: number,
  options: Pick<Options, "pass">,
): void => Conformance.breaks(port(options))(name, layer, number)

/**
 * The suite of the port `SenderStore`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Address from "@guildhall/chain/Address"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Reverted, SenderError } from "../SenderError.ts"
import { type Order, type Place, SenderStore, type Sign, type Version } from "../SenderStore.ts"

const CHAIN = 31_337

let made = 0

/** An account that no proof had before. */
const account = (): Address.Address => {
  made += 1
  const bytes = new Uint8Array(20)
  new DataView(bytes.buffer).setUint32(16, made)
  crypto.getRandomValues(bytes.subarray(0, 16))
  return Address.fromBytes(bytes)
}

const order = (by: Address.Address, name: string): Order => ({
  chainId: CHAIN,
  idempotencyKey: `${by} ${name}`,
  content: name,
  by,
  to: null,
  data: "0x1234",
  valueWei: 2n ** 200n,
  gas: 21_000n,
})

/** A version that tells which nonce it is for, and which one of that nonce. */
const version = (nonce: number, number = 1): Version => ({
  raw: `0x${nonce.toString(16).padStart(8, "0")}${number.toString(16).padStart(8, "0")}`,
  hash: `0x${nonce.toString(16).padStart(32, "0")}${number.toString(16).padStart(32, "0")}`,
  price: { style: "eip1559", maxFeeWei: BigInt(number), tipWei: 2n ** 80n },
  signedAtMs: 1_800_000_000_000 + number,
})

/** Signs, and counts. */
const signer = (number = 1) => {
  let count = 0
  const sign: Sign = (nonce) =>
    Effect.sync(() => {
      count += 1
      return version(nonce, number)
    })
  return { sign, count: () => count }
}

const opened = Effect.fnUntraced(function* (asked: Order, least = 0, sign: Sign = signer().sign) {
  const store = yield* SenderStore
  const answer = yield* Conformance.answered(store.open(asked, { least }, sign))
  return answer ?? assert.fail("the next nonce was taken")
})

const place = (hash: `0x${string}`, blockNumber = 7n): Place => ({
  hash,
  blockNumber,
  blockHash: `0x${"ab".repeat(32)}`,
  isDone: true,
})

const once = Effect.gen(function* () {
  const asked = order(account(), "once")
  const first = yield* opened(asked, 5)
  assert.isTrue(first.isNew)
  assert.deepStrictEqual(first.sending, { ...asked, nonce: 5, state: "Pending", place: null, versions: [version(5)] })
  const { count, sign } = signer(2)
  const again = yield* opened(asked, 9, sign)
  assert.isFalse(again.isNew, "it is new for the second time")
  assert.deepStrictEqual(again.sending, first.sending)
  assert.strictEqual(count(), 0, "it was signed again")
})

const inOrder = Effect.gen(function* () {
  const store = yield* SenderStore
  const [one, other] = [account(), account()]
  const numbers = Array.from({ length: 12 }, (_, at) => at)
  const all = yield* Effect.forEach(
    numbers.flatMap((at) => [order(one, `${at}`), order(other, `${at}`)]),
    (asked) => opened(asked, asked.by === one ? 3 : 0),
    { concurrency: "unbounded" },
  )
  const noncesOf = (by: Address.Address) =>
    all.flatMap(({ sending }) => (sending.by === by ? [sending.nonce] : [])).sort((a, b) => a - b)
  assert.deepStrictEqual(
    noncesOf(one),
    numbers.map((at) => at + 3),
  )
  assert.deepStrictEqual(noncesOf(other), numbers)
  // The chain may know more than the store, which may know more than the chain.
  assert.strictEqual((yield* opened(order(one, "ahead"), 40)).sending.nonce, 40)
  assert.strictEqual((yield* opened(order(one, "behind"), 2)).sending.nonce, 41)
  const { sign } = signer()
  const gap = yield* Conformance.answered(store.open(order(one, "gap"), { exact: 20 }, sign))
  assert.strictEqual(gap?.sending.nonce, 20)
  assert.isUndefined(yield* Conformance.answered(store.open(order(one, "taken"), { exact: 20 }, sign)))
  assert.isUndefined(yield* store.find(CHAIN, order(one, "taken").idempotencyKey))
})

const unsigned = Effect.gen(function* () {
  const store = yield* SenderStore
  const by = account()
  const reason = new Reverted({ data: null, detail: "no.", isSent: false })
  const refused = yield* Conformance.refused(
    store.open(order(by, "first"), { least: 8 }, () => Effect.fail(new SenderError({ reason }))),
    "by the signer",
  )
  assert.strictEqual(refused.reason._tag, "Reverted")
  assert.isUndefined(yield* store.find(CHAIN, order(by, "first").idempotencyKey), "it was kept without a signature")
  assert.strictEqual((yield* opened(order(by, "second"), 8)).sending.nonce, 8)
})

const replaced = Effect.gen(function* () {
  const store = yield* SenderStore
  const by = account()
  const { sending } = yield* opened(order(by, "slow"))
  const { count, sign } = signer(2)
  const all = yield* Effect.forEach(Array.from({ length: 5 }), () => store.replace(sending, sign), {
    concurrency: "unbounded",
  })
  assert.strictEqual(count(), 1, "two replaced it at once")
  for (const one of all) assert.deepStrictEqual(one.versions, [version(0), version(0, 2)])
  const now = yield* store.find(CHAIN, sending.idempotencyKey)
  assert.deepStrictEqual(now?.versions, [version(0), version(0, 2)])
  assert.strictEqual(now?.nonce, 0)
  // What is in a block is not replaced.
  if (now === undefined) return
  assert.isTrue(yield* store.mark(now, "Included", place(version(0).hash)))
  const later = signer(3)
  yield* store.replace(now, later.sign)
  assert.strictEqual(later.count(), 0)
})

const known = Effect.gen(function* () {
  const store = yield* SenderStore
  const { sending } = yield* opened(order(account(), "marked"))
  const at = place(version(0).hash)
  assert.isTrue(yield* store.mark(sending, "Included", at))
  assert.isFalse(yield* store.mark(sending, "Confirmed", at), "it was changed by one who did not know")
  const included = { ...sending, state: "Included" as const, place: at }
  assert.deepStrictEqual(yield* store.find(CHAIN, sending.idempotencyKey), included)
  assert.isTrue(yield* store.mark(included, "Pending", null))
  assert.deepStrictEqual(yield* store.find(CHAIN, sending.idempotencyKey), sending)
  assert.isFalse(yield* store.mark(included, "Final", at))
})

const watched = Effect.gen(function* () {
  const store = yield* SenderStore
  const by = account()
  const names = ["a", "b", "c"]
  for (const name of names) yield* opened(order(by, name))
  const mine = Effect.map(store.watched(CHAIN), (all) => all.filter((one) => one.by === by))
  assert.deepStrictEqual(
    (yield* mine).map(({ content }) => content),
    names,
  )
  const [first] = yield* mine
  if (first === undefined) return assert.fail("nothing is watched")
  const replacement = yield* store.replace(first, signer(2).sign)
  const at = place(version(0, 2).hash, 2n ** 40n)
  assert.isTrue(yield* store.mark(replacement, "Final", at))
  assert.deepStrictEqual(
    (yield* mine).map(({ content }) => content),
    ["b", "c"],
  )
  const found = yield* store.find(CHAIN, first.idempotencyKey)
  assert.deepStrictEqual(found?.place, at)
  assert.strictEqual(found?.content, "a")
  assert.deepStrictEqual(yield* store.watched(CHAIN + 1), [])
})

const overtaken = Effect.gen(function* () {
  const store = yield* SenderStore
  const by = account()
  const { sending } = yield* opened(order(by, "overtaken"))
  yield* opened(order(by, "next"))
  const { count, sign } = signer(2)
  const all = yield* Effect.forEach([1, 2, 3], () => store.renumber(sending, 1, sign), { concurrency: "unbounded" })
  assert.strictEqual(count(), 1, "it was numbered twice")
  for (const { nonce, versions } of all) {
    assert.strictEqual(nonce, 2)
    assert.deepStrictEqual(versions, [version(2, 2)])
  }
  assert.strictEqual((yield* opened(order(by, "after"))).sending.nonce, 3)
})

const port: Conformance.Port<SenderStore> = {
  name: "SenderStore",
  clock: "real",
  guarantees: [
    {
      number: 1,
      test: "A key is opened once: whoever opens it again gets what is there, and nothing is signed.",
      proof: once,
    },
    {
      number: 2,
      test: "The nonces of an account follow each other without a gap, whoever opens and however many at once.",
      proof: inOrder,
    },
    { number: 3, test: "A nonce whose transaction could not be signed is the next one's.", proof: unsigned },
    {
      number: 4,
      test: "A transaction is replaced by one at a time, under its nonce, and every version of it is kept.",
      proof: replaced,
    },
    { number: 5, test: "A state is changed only by who knows the one before.", proof: known },
    {
      number: 6,
      test: "What is not final is watched, in the order of accounts and nonces; what is final is found by its key for ever.",
      proof: watched,
    },
    {
      number: 7,
      test: "A nonce that another program took is given up, and the transaction gets the next one.",
      proof: overtaken,
    },
  ],
}

/** Proves a store. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<SenderStore> = Conformance.suite(port)

/** Proves that the suite bites. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<SenderStore> = Conformance.breaks(port)

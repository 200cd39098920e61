/**
 * The suite of the port `Signer`: one test for each of its numbered guarantees, with the same words. The signer under test
 * holds one key, which is {@link KEY}.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { parseTransaction } from "viem/utils"
import { Address } from "@guildhall/chain/Address"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as SigningForm from "../internal/SigningForm.ts"
import { Signer, type TypedData, type Unsigned } from "../Signer.ts"

/** The key that the signer under test holds. It is public and worth nothing. @category constants @since 0.1.0 */
export const KEY: Redacted.Redacted<string> = Redacted.make(`0x${"4c".repeat(31)}07`)

/** Its account. @category constants @since 0.1.0 */
export const ADDRESS: Address = Address.make("0x834c2cc576b4839F3A786D0f3eBEada891Da57BF")

const OTHER = Address.make("0x000000000000000000000000000000000000dEaD")

const transaction: Unsigned = {
  chainId: 31_337,
  nonce: 7,
  to: OTHER,
  data: "0x12345678",
  valueWei: 5n,
  gas: 21_000n,
  price: { style: "eip1559", maxFeeWei: 30n, tipWei: 2n },
}

const typed: TypedData = {
  domain: { name: "Guildhall Test", version: "1", chainId: 31_337, verifyingContract: OTHER },
  types: { Word: [{ name: "amount", type: "uint256" }] },
  primaryType: "Word",
  message: { amount: 2n ** 255n },
}

const whole = Effect.gen(function* () {
  const signer = yield* Signer
  const variants: ReadonlyArray<Unsigned> = [
    transaction,
    { ...transaction, nonce: 0, to: null, valueWei: 0n, data: "0x6001" },
    { ...transaction, price: { style: "legacy", priceWei: 9n } },
  ]
  for (const asked of variants) {
    const { hash, raw } = yield* Conformance.answered(signer.signTransaction(ADDRESS, asked))
    assert.isTrue(yield* Effect.promise(() => SigningForm.isSignedBy(raw, ADDRESS, asked)), "it is another transaction")
    const read = parseTransaction(raw)
    assert.strictEqual(read.nonce ?? 0, asked.nonce)
    assert.strictEqual(read.chainId, asked.chainId)
    assert.match(hash, /^0x[0-9a-f]{64}$/)
  }
})

const bound = Effect.gen(function* () {
  const signer = yield* Signer
  const signature = yield* Conformance.answered(signer.signTypedData(ADDRESS, typed))
  const isBy = (data: TypedData) => Effect.promise(() => SigningForm.isTypedBy(signature, ADDRESS, data))
  assert.isTrue(yield* isBy(typed), "it is not the account's")
  const others: ReadonlyArray<TypedData> = [
    { ...typed, domain: { ...typed.domain, chainId: 8_453 } },
    { ...typed, domain: { ...typed.domain, verifyingContract: ADDRESS } },
    { ...typed, message: { amount: 1n } },
  ]
  for (const data of others) assert.isFalse(yield* isBy(data), "it is good for something else, too")
})

const none = Effect.gen(function* () {
  const signer = yield* Signer
  assert.deepStrictEqual([...signer.addresses], [ADDRESS])
  const refused = [
    yield* Conformance.refused(signer.signTransaction(OTHER, transaction), "without a key"),
    yield* Conformance.refused(signer.signTypedData(OTHER, typed), "without a key"),
  ]
  for (const { reason } of refused) assert.strictEqual(reason._tag, "NoKey")
})

const silent = Effect.gen(function* () {
  const signer = yield* Signer
  const secret = Redacted.value(KEY).slice(2)
  const told = (value: unknown): string =>
    `${String(value)} ${JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part))}`
  const failed = yield* Effect.exit(signer.signTransaction(ADDRESS, { ...transaction, valueWei: -1n }))
  const unknown = yield* Effect.flip(Effect.asVoid(signer.signTransaction(OTHER, transaction)))
  const all = [told(signer), told(signer.addresses), told(failed), told(unknown), unknown.message]
  if (failed._tag === "Failure") all.push(Cause.pretty(failed.cause))
  for (const text of all) assert.notInclude(text.toLowerCase(), secret)
})

const port: Conformance.Port<Signer> = {
  name: "Signer",
  clock: "real",
  guarantees: [
    {
      number: 1,
      test: "A signed transaction is the one that was asked for, to the last field, and recovers to the account that signs.",
      proof: whole,
    },
    {
      number: 2,
      test: "A signature of typed data recovers to the account, and to no account for another chain, contract or content.",
      proof: bound,
    },
    { number: 3, test: "For an account without a key, nothing is signed: the answer is `NoKey`.", proof: none },
    { number: 4, test: "Nothing that the signer is, says or fails with has a key in it.", proof: silent },
  ],
}

/** Proves a signer. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<Signer> = Conformance.suite(port)

/** Proves that the suite bites. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<Signer> = Conformance.breaks(port)

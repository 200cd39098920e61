/**
 * The suite of the port `PaymentChannel`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Address } from "../Address.ts"
import { ZERO } from "../Address.ts"
import type { Bytes32 } from "../Hex.ts"
import type { ChannelVoucher } from "../Message.ts"
import { idOf, PaymentChannel } from "../PaymentChannel.ts"
import { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, isRefused, MARGIN_S, once, spare, unique } from "./internal/Trial.ts"

const DEPOSIT = 1_000n

/** Who could open a channel: a payer with twice the deposit, a payee, a token of their own. */
const prepared = Effect.gen(function* () {
  const channels = yield* PaymentChannel
  const testbed = yield* ChainTestbed
  const token = yield* testbed.token
  const payer = yield* funded(token, 2n * DEPOSIT)
  const payee = yield* testbed.account
  const names = { payer, payee, token, salt: bytes32(), authorizedSigner: ZERO }
  const { authorizedSigner, salt } = names
  const open = { _tag: "Open", by: payer, payee, token, deposit: DEPOSIT, salt, authorizedSigner } as const
  return { channels, testbed, token, payer, payee, names, open, channelId: idOf(channels.domain, names) }
})

const opened = Effect.gen(function* () {
  const scene = yield* prepared
  yield* does(scene.channels, scene.open)
  return scene
})

const voucher = Effect.fnUntraced(function* (channelId: Bytes32, cumulativeAmount: bigint, by: Address) {
  const testbed = yield* ChainTestbed
  const message: ChannelVoucher = { _tag: "ChannelVoucher", channelId, cumulativeAmount }
  return { channelId, cumulativeAmount, signature: yield* testbed.sign(by, message) }
})

const actsOnce = Effect.gen(function* () {
  const { channelId, channels, open } = yield* prepared
  const act = { ...open, idempotencyKey: unique() }
  const deposit = Effect.map(channels.channel(channelId), (channel) => channel?.deposit ?? 0n)
  yield* once(channels, act, { ...act, deposit: DEPOSIT + 1n }, deposit)
})

const names = Effect.gen(function* () {
  const { channelId, channels, names: of, open, testbed } = yield* prepared
  assert.isUndefined(yield* channels.channel(channelId))
  yield* isRefused(channels, { ...open, payee: ZERO }, "ZeroPayee")
  yield* isRefused(channels, { ...open, deposit: 0n }, "ZeroDeposit")
  yield* does(channels, open)
  const channel = yield* channels.channel(channelId)
  assert.deepStrictEqual([channel?.payer, channel?.payee, channel?.deposit], [of.payer, of.payee, DEPOSIT])
  yield* isRefused(channels, open, "ChannelAlreadyExists")
  const others = [
    { salt: bytes32() },
    { payee: yield* testbed.account },
    { token: yield* testbed.token },
    { authorizedSigner: of.payer },
    { payer: of.payee },
  ]
  const ids = others.map((other) => idOf(channels.domain, { ...of, ...other }))
  const elsewhere = idOf({ ...channels.domain, chainId: channels.domain.chainId + 1 }, of)
  assert.strictEqual(new Set([channelId, elsewhere, ...ids]).size, ids.length + 2)
})

const settles = Effect.gen(function* () {
  const { channelId, channels, payee, payer, testbed, token } = yield* opened
  const first = yield* voucher(channelId, 300n, payer)
  yield* isRefused(channels, { _tag: "Settle", by: payer, ...first }, "NotPayee")
  yield* does(channels, { _tag: "Settle", by: payee, ...first })
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...first }, "AmountNotIncreasing")
  yield* does(channels, { _tag: "Settle", by: payee, ...(yield* voucher(channelId, 301n, payer)) })
  assert.strictEqual(yield* testbed.balance(payee, token), 301n)
  const beyond = yield* voucher(channelId, DEPOSIT + 1n, payer)
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...beyond }, "AmountExceedsDeposit")
  assert.strictEqual((yield* channels.channel(channelId))?.settled, 301n)
})

const isSigned = Effect.gen(function* () {
  const { channelId, channels, open, payee, payer, testbed } = yield* opened
  const forged = yield* voucher(channelId, 10n, payee)
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...forged }, "InvalidSignature")
  const good = yield* voucher(channelId, 10n, payer)
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...good, cumulativeAmount: 11n }, "InvalidSignature")
  const authorizedSigner = yield* testbed.account
  const second = { ...open, salt: bytes32(), authorizedSigner }
  yield* does(channels, second)
  const other = idOf(channels.domain, { payer, ...second })
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...good, channelId: other }, "InvalidSignature")
  const payers = yield* voucher(other, 10n, payer)
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...payers }, "InvalidSignature")
  yield* does(channels, { _tag: "Settle", by: payee, ...(yield* voucher(other, 10n, authorizedSigner)) })
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...good, channelId: bytes32() }, "ChannelNotFound")
})

const closes = Effect.gen(function* () {
  const { channelId, channels, open, payee, payer, testbed, token } = yield* opened
  const last = yield* voucher(channelId, 400n, payer)
  yield* isRefused(channels, { _tag: "Close", by: payer, ...last }, "NotPayee")
  yield* does(channels, { _tag: "Close", by: payee, ...last })
  assert.strictEqual(yield* testbed.balance(payee, token), 400n)
  assert.strictEqual(yield* testbed.balance(payer, token), 2n * DEPOSIT - 400n)
  yield* isRefused(channels, { _tag: "Settle", by: payee, ...last }, "ChannelFinalized")
  yield* isRefused(channels, open, "ChannelAlreadyExists")
})

const leaves = Effect.gen(function* () {
  const { channelId, channels, payee, payer, testbed, token } = yield* opened
  yield* isRefused(channels, { _tag: "Withdraw", by: payer, channelId }, "CloseNotReady")
  yield* isRefused(channels, { _tag: "RequestClose", by: payee, channelId }, "NotPayer")
  yield* does(channels, { _tag: "RequestClose", by: payer, channelId })
  const again = yield* does(channels, { _tag: "RequestClose", by: payer, channelId })
  assert.deepStrictEqual(again.events, [])
  yield* isRefused(channels, { _tag: "Withdraw", by: payer, channelId }, "CloseNotReady")
  yield* does(channels, { _tag: "Settle", by: payee, ...(yield* voucher(channelId, 250n, payer)) })
  yield* testbed.advance(channels.terms.graceS + MARGIN_S)
  yield* isRefused(channels, { _tag: "Withdraw", by: payee, channelId }, "NotPayer")
  yield* does(channels, { _tag: "Withdraw", by: payer, channelId })
  assert.strictEqual(yield* testbed.balance(payer, token), 2n * DEPOSIT - 250n)
  assert.isTrue((yield* channels.channel(channelId))?.finalized)
})

const topsUp = Effect.gen(function* () {
  const { channelId, channels, payee, payer, testbed, token } = yield* opened
  yield* does(channels, { _tag: "RequestClose", by: payer, channelId })
  yield* testbed.fund(payee, token, 10n)
  yield* isRefused(channels, { _tag: "TopUp", by: payee, channelId, amount: 10n }, "NotPayer")
  yield* does(channels, { _tag: "TopUp", by: payer, channelId, amount: 500n })
  const channel = yield* channels.channel(channelId)
  assert.deepStrictEqual([channel?.deposit, channel?.closeRequestedAtS], [DEPOSIT + 500n, 0])
  yield* testbed.advance(channels.terms.graceS + MARGIN_S)
  yield* isRefused(channels, { _tag: "Withdraw", by: payer, channelId }, "CloseNotReady")
  yield* does(channels, { _tag: "Settle", by: payee, ...(yield* voucher(channelId, DEPOSIT + 1n, payer)) })
})

const addsUp = Effect.gen(function* () {
  const { channelId, channels, open, payee, payer, token } = yield* opened
  const spared = spare("Channel", token, channels.totals(token))
  assert.strictEqual(yield* spared, 0n)
  const before = yield* channels.totals(token)
  assert.strictEqual(before.escrowed, DEPOSIT)
  yield* isRefused(channels, { ...open, salt: bytes32(), deposit: DEPOSIT + 1n }, "ERC20InsufficientBalance")
  yield* isRefused(channels, { ...open, salt: bytes32(), deposit: 1n << 96n }, "DepositOverflow")
  yield* isRefused(channels, { _tag: "TopUp", by: payer, channelId, amount: 0n }, "ZeroDeposit")
  assert.deepStrictEqual(yield* channels.totals(token), before, "it was refused, and something moved")
  yield* does(channels, { _tag: "Settle", by: payee, ...(yield* voucher(channelId, 123n, payer)) })
  assert.strictEqual((yield* channels.totals(token)).escrowed, DEPOSIT - 123n)
  assert.strictEqual(yield* spared, 0n)
  yield* does(channels, { _tag: "Close", by: payee, ...(yield* voucher(channelId, 124n, payer)) })
  assert.strictEqual((yield* channels.totals(token)).escrowed, 0n)
  assert.strictEqual(yield* spared, 0n)
})

/**
 * What the port guarantees, in the order of its documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<PaymentChannel | ChainTestbed>>> = [
  {
    number: 1,
    test: "The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.",
    proof: actsOnce,
  },
  {
    number: 2,
    test: "A channel's id follows from its parties, token, salt and signer, its contract and chain; one is opened once.",
    proof: names,
  },
  {
    number: 3,
    test: "The payee takes what a voucher grants beyond what it took before, up to the deposit; a voucher pays once.",
    proof: settles,
  },
  {
    number: 4,
    test: "A voucher that the signer did not sign, or for another channel, is refused.",
    proof: isSigned,
  },
  { number: 5, test: "A close pays the last voucher to the payee and the rest to the payer.", proof: closes },
  {
    number: 6,
    test: "Alone, the payer gets the rest after the grace period, in which the payee can still take what was granted.",
    proof: leaves,
  },
  { number: 7, test: "More can be put in by the payer, which takes back a request to close.", proof: topsUp },
  {
    number: 8,
    test: "What was refused moved nothing, and the totals are what went in less what went out.",
    proof: addsUp,
  },
]

const port: Conformance.Port<PaymentChannel | ChainTestbed> = { name: "PaymentChannel", guarantees, clock: "virtual" }

/** Proves a layer of the port. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<PaymentChannel | ChainTestbed> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<PaymentChannel | ChainTestbed> = Conformance.breaks(port)

/** Proofs of what is guaranteed of vouchers. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Division from "@guildhall/core/rules/Division"
import type { Address } from "../../Address.ts"
import type { Voucher } from "../../Message.ts"
import { ChainTestbed } from "../ChainTestbed.ts"
import { does, funded, isRefused, until } from "./Trial.ts"
import { prepared, termsOf, divisionOf } from "./SettlementTrial.ts"

export const signed = Effect.fnUntraced(function* (voucher: Omit<Voucher, "_tag">, by?: Address) {
  const testbed = yield* ChainTestbed
  const whole: Voucher = { _tag: "Voucher", ...voucher }
  const { voucherSigner } = yield* termsOf(voucher.epoch)
  return { voucher: whole, signature: yield* testbed.sign(by ?? voucherSigner, whole) }
})

export const redeems = Effect.gen(function* () {
  const { epoch: current, provider, settlement, testbed, token } = yield* prepared(500n)
  const epoch = yield* current
  const division = divisionOf(yield* termsOf(epoch))
  const by = yield* testbed.account
  const redeem = Effect.fnUntraced(function* (cumulative: bigint) {
    const shown = yield* signed({ provider, token, epoch, cumulative })
    yield* does(settlement, { _tag: "Redeem", by, ...shown })
  })
  for (const cumulative of [1n, 2n, 3n, 105n]) yield* redeem(cumulative)
  assert.strictEqual((yield* settlement.credit(token, provider)).owed, Division.part(105n, division.providerBps))
  const old = yield* signed({ provider, token, epoch, cumulative: 104n })
  yield* isRefused(settlement, { _tag: "Redeem", by, ...old }, "NothingToRedeem")
  yield* redeem(700n)
  assert.strictEqual(yield* settlement.redeemed(token, provider, epoch), 500n)
  const rest = yield* signed({ provider, token, epoch, cumulative: 700n })
  yield* isRefused(settlement, { _tag: "Redeem", by, ...rest }, "NotEnoughFunded")
  const funder = yield* funded(token, 1_000n)
  yield* does(settlement, { _tag: "Fund", by: funder, token, amount: 1_000n })
  yield* redeem(700n)
  assert.strictEqual((yield* settlement.credit(token, provider)).owed, Division.part(700n, division.providerBps))
  assert.strictEqual((yield* settlement.totals(token)).funded, 800n)
})

export const refusesVouchers = Effect.gen(function* () {
  const { epoch: current, provider, settlement, testbed, token } = yield* prepared(500n)
  const epoch = yield* current
  const by = yield* testbed.account
  const good = yield* signed({ provider, token, epoch, cumulative: 10n })
  const forged = yield* signed({ provider, token, epoch, cumulative: 10n }, by)
  yield* isRefused(settlement, { _tag: "Redeem", by, ...forged }, "InvalidVoucher")
  const changes = [{ provider: by }, { token: yield* testbed.token }, { cumulative: 11n }, { epoch: epoch - 1 }]
  for (const change of changes) {
    const voucher = { ...good.voucher, ...change }
    yield* isRefused(settlement, { _tag: "Redeem", by, voucher, signature: good.signature }, "InvalidVoucher")
  }
  const early = yield* signed({ provider, token, epoch: epoch + 2, cumulative: 10n })
  yield* isRefused(settlement, { _tag: "Redeem", by, ...early }, "EpochNotOver")
  yield* until((epoch + settlement.terms.voucherEpochs + 1) * settlement.terms.epochLengthS + 1)
  yield* isRefused(settlement, { _tag: "Redeem", by, ...good }, "VoucherExpired")
})

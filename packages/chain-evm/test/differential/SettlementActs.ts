/** Acts of who funds, settles and claims. */
import type { Address } from "@guildhall/chain/Address"
import { ZERO } from "@guildhall/chain/Address"
import * as HashMap from "effect/HashMap"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as SettlementState from "@guildhall/chain/memory/SettlementState"
import * as Step from "@guildhall/chain/memory/Step"
import type { Voucher } from "@guildhall/chain/Message"
import type { Share } from "@guildhall/chain/Settlement"
import * as Cast from "./Cast.ts"
import * as EpochActs from "./EpochActs.ts"
import { about, amount, anyone, fresh, holder, member, one, type Scene, signing, token, weighted } from "./Scene.ts"
import { type Draft, UNSIGNED } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "Settlement" }>["act"]

/** The id of a request: mostly a new one. */
const request = (scene: Scene): Bytes32 => {
  const known = one(scene, [...HashMap.keys(scene.world.settlement.settled)])
  // Every key of what was settled is the id of a request.
  return known !== undefined && scene.chance.percent(8) ? (known as Bytes32) : fresh(scene, 0x5e)
}

const batch = (scene: Scene): Bytes32 => {
  const known = one(scene, [...HashMap.keys(scene.world.settlement.paid)])
  // As above.
  return known !== undefined && scene.chance.percent(8) ? (known as Bytes32) : fresh(scene, 0xba)
}

const provider = (scene: Scene): Address => (scene.chance.percent(97) ? member(scene) : ZERO)

const settle = (scene: Scene, of: Address): Act => {
  const { funded } = SettlementState.bookOf(scene.world.settlement, of).totals
  const shared = { provider: provider(scene), requestId: request(scene), by: holder(scene, "operator") }
  const about = scene.chance.percent(70) ? undefined : funded
  if (scene.chance.percent(75)) return { _tag: "Settle", ...shared, token: of, amount: amount(scene, about) }
  const payer = scene.chance.percent(85) ? Cast.of(scene.cast, "payer") : anyone(scene)
  const { usd } = scene.cast.tokens
  return { _tag: "SettleFrom", ...shared, payer, token: scene.chance.percent(85) ? usd : of, amount: amount(scene) }
}

/** A token, a provider and an epoch of which something was redeemed, and more can be. */
const begun = (scene: Scene, oldest: number) => {
  const known = [...HashMap.keys(scene.world.settlement.redeemed)].flatMap((key) => {
    // A key is of these three.
    const [token, provider, epoch] = key.split(" ") as [Address, Address, string]
    return Number(epoch) > oldest ? [{ token, provider, epoch: Number(epoch) }] : []
  })
  return scene.chance.percent(50) ? one(scene, known) : undefined
}

/** A voucher that says more, or less, than what was redeemed of its epoch: mostly of one of which something was. */
export const redeem = (scene: Scene, asked: Address, epoch?: number): Draft => {
  const { cast, chance, nowS, world } = scene
  const current = SettlementState.epochAt(world.settlement, nowS)
  const { voucherEpochs } = world.settlement.terms
  const again = epoch === undefined ? begun(scene, current - voucherEpochs) : undefined
  const of = again?.token ?? asked
  const of_ = again?.provider ?? provider(scene)
  const picked =
    again?.epoch ??
    epoch ??
    weighted<() => number>(scene, [
      [12, () => current],
      [12, () => current - 1],
      [3, () => current - chance.below(voucherEpochs + 1)],
      [1, () => current - voucherEpochs - 1],
      [1, () => current + 1],
    ])()
  const key = `${SettlementState.keyOf(of, of_)} ${Math.max(0, picked)}`
  const before = Step.get(world.settlement.redeemed, key, 0n)
  const cumulative = chance.percent(80) ? before + amount(scene) : amount(scene, before)
  const voucher: Voucher = {
    _tag: "Voucher",
    provider: of_,
    token: of,
    epoch: Math.max(0, picked),
    cumulative,
  }
  const signer = SettlementState.termsAt(world.settlement, voucher.epoch)?.voucherSigner ?? ZERO
  const by = signer === ZERO ? Cast.of(cast, "voucherSigner") : signer
  const domain = { chainId: cast.chainId, contract: cast.contracts.Settlement }
  return {
    contract: "Settlement",
    act: { _tag: "Redeem", by: anyone(scene), voucher, signature: UNSIGNED },
    signings: { signature: signing(scene, by, voucher, { ...voucher, cumulative: cumulative + 1n }, domain) },
  }
}

const PARTIES = ["validators", "insurers", "curator"] as const

const shares = (scene: Scene): ReadonlyArray<Share> =>
  Array.from({ length: scene.chance.percent(90) ? scene.chance.below(4) : 9 }, () => ({
    // No provider is a party, so that what it is owed is what it earned.
    party: scene.chance.percent(96) ? Cast.of(scene.cast, one(scene, PARTIES) ?? "validators") : ZERO,
    bps: scene.chance.percent(96) ? scene.chance.between(1, 2_500) : 0,
  }))

const appendTerms = (scene: Scene): Act => {
  const { cast, chance, nowS, world } = scene
  const { epochLengthS, termsDelayS } = world.settlement.terms
  const earliest = Math.floor((nowS + termsDelayS) / epochLengthS) + 1
  const newest = world.settlement.appended.at(-1)?.fromEpoch ?? 0
  const voucherSigner = one(scene, [Cast.of(cast, "voucherSigner"), Cast.of(cast, "bob"), ZERO]) ?? ZERO
  return {
    _tag: "AppendTerms",
    by: holder(scene, "curator"),
    terms: {
      fromEpoch: chance.percent(70) ? Math.max(earliest, newest + 1) : about(scene, earliest),
      providerBps: chance.percent(95) ? chance.between(0, 9_000) : 10_001,
      treasury: chance.percent(97) ? Cast.of(cast, "treasury") : ZERO,
      voucherSigner,
      shares: shares(scene),
    },
  }
}

const payMany = (scene: Scene, of: Address): Act => {
  const { chance, cast, world } = scene
  const { funded } = SettlementState.bookOf(world.settlement, of).totals
  const entries = Array.from({ length: chance.percent(97) ? chance.between(1, 6) : 0 }, () => ({
    account: chance.percent(75) ? member(scene) : Cast.of(cast, "refused"),
    amount: chance.percent(85) ? BigInt(chance.between(1, 99_999)) : amount(scene, funded),
  }))
  return { _tag: "PayMany", by: holder(scene, "operator"), token: of, batchId: batch(scene), entries }
}

const unfund = (scene: Scene, of: Address): Act => {
  const { totals, unfund } = SettlementState.bookOf(scene.world.settlement, of)
  const by = holder(scene, "funder")
  const asked = unfund.readyAtS !== 0
  return weighted<() => Act>(scene, [
    [
      asked ? 2 : 10,
      () => ({
        _tag: "RequestUnfund",
        by,
        token: of,
        funded: amount(scene, totals.funded),
        boost: amount(scene, totals.boostPool),
      }),
    ],
    [asked ? 6 : 1, () => ({ _tag: "CancelUnfund", by, token: of })],
    [asked ? 6 : 1, () => ({ _tag: "Unfund", by, token: of })],
  ])()
}

/** A claim: mostly by one who is owed something. */
const claim = (scene: Scene, of: Address): Act => {
  const { chance, world } = scene
  const owed = [...HashMap.keys(world.settlement.owed)].filter((key) => key.startsWith(of))
  const key = one(scene, owed)
  // A key is a token and an account.
  const account = key !== undefined && chance.percent(85) ? (key.split(" ")[1] as Address) : anyone(scene)
  if (chance.percent(50)) return { _tag: "Claim", by: account, token: of }
  return { _tag: "ClaimFor", by: anyone(scene), account, token: of }
}

/** An act. */
export const draft = (scene: Scene): Draft => {
  const of = token(scene)
  const { boostPool, funded } = SettlementState.bookOf(scene.world.settlement, of).totals
  const only = (act: () => Act) => (): Draft => ({ contract: "Settlement", act: act() })
  return weighted<() => Draft>(scene, [
    [
      funded === 0n ? 30 : 7,
      only(() => ({ _tag: "Fund", by: member(scene), token: of, amount: amount(scene, 10n ** 7n) })),
    ],
    [
      boostPool === 0n ? 9 : 3,
      only(() => ({ _tag: "FundBoost", by: member(scene), token: of, amount: amount(scene) })),
    ],
    [24, only(() => settle(scene, of))],
    [16, () => redeem(scene, of)],
    [24, only(() => EpochActs.draft(scene, of))],
    [7, only(() => payMany(scene, of))],
    [6, only(() => unfund(scene, of))],
    [12, only(() => claim(scene, of))],
    [3, only(() => appendTerms(scene))],
    [1, only(() => ({ _tag: "Pause", by: holder(scene, "pauser") }))],
    [1, only(() => ({ _tag: "Unpause", by: holder(scene, "pauser") }))],
  ])()
}

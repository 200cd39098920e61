/**
 * What settling costs in gas: whole transactions on a real chain, in the steady state. The market is the same on every machine, so
 * the figures are too, and a changed one is a changed contract.
 */
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as Entries from "@guildhall/chain/Entries"
import * as Effect from "effect/Effect"
import * as Anvil from "../Anvil.ts"
import * as GasMarket from "./GasMarket.ts"

/** The figures by name, in gas. */
export interface Figures {
  readonly settle_per_request: number
  readonly settle_per_request_pulled: number
  readonly voucher: number
  readonly epoch_root: number
  readonly epoch_root_applied: number
  readonly claim: number
  readonly netted_per_provider_10: number
  readonly netted_per_provider_100: number
  readonly netted_per_provider_500: number
  readonly pay_per_recipient_200: number
}

const LEAVES = 1_024
const { addressOf, idOf } = GasMarket
type Gas = Effect.Effect<number, never, Anvil.Anvil>

/** The last of several: the first one fills slots that were empty. */
const steady = Effect.fnUntraced(function* (times: number, act: (round: number) => Gas) {
  let last = 0
  for (let round = 0; round < times; round++) last = yield* act(round)
  return last
})

const perRequest = ({ domain, onSettlement, operator }: GasMarket.GasMarket): Gas =>
  steady(3, (round) =>
    onSettlement(operator, "settle", addressOf("provider"), domain.token, 123_456n, idOf(`request ${round}`)),
  )

const pulled = Effect.fnUntraced(function* ({
  domain,
  onSettlement,
  onToken,
  operator,
  settlement,
}: GasMarket.GasMarket) {
  const payer = addressOf("payer")
  yield* onToken(payer, "mint", payer, 10n ** 12n)
  yield* onToken(payer, "approve", settlement, 10n ** 11n)
  const provider = addressOf("provider")
  return yield* steady(3, (round) =>
    onSettlement(operator, "settleFrom", payer, provider, domain.token, 123_456n, idOf(`pulled ${round}`)),
  )
})

const voucher = Effect.fnUntraced(function* ({ domain, epoch, onSettlement, sign }: GasMarket.GasMarket) {
  const said = { provider: addressOf("provider"), token: domain.token, epoch: yield* epoch }
  return yield* steady(3, (round) => {
    const message = { ...said, cumulative: BigInt(round + 1) * 1_234_567n }
    return Effect.flatMap(sign({ _tag: "Voucher", ...message }), (signature) =>
      onSettlement(said.provider, "redeem", message, signature),
    )
  })
})

const KINDS = { root: 1, batch: 2 } as const

const propose = Effect.fnUntraced(function* (
  { domain, epoch, onSettlement, operator }: GasMarket.GasMarket,
  kind: keyof typeof KINDS,
  commitment: string,
  gross: bigint,
) {
  const anvil = yield* Anvil.Anvil
  yield* anvil.advance(GasMarket.EPOCH_S)
  const over = (yield* epoch) - 1
  const gas = yield* onSettlement(operator, "proposeEpoch", domain.token, over, KINDS[kind], commitment, gross, 0n)
  yield* anvil.advance(GasMarket.CHALLENGE_S)
  return { epoch: over, gas }
})

/** What it costs to post a root, to apply it when its delay is over, and to claim from it. */
const root = Effect.fnUntraced(function* (market: GasMarket.GasMarket) {
  const { domain, onSettlement, onVault, operator } = market
  const claimant = addressOf("leaf 0")
  let posted = 0
  let applied = 0
  const claim = yield* steady(3, (round) =>
    Effect.gen(function* () {
      const cumulative = BigInt(round + 1) * 900_000n
      const earned = Array.from({ length: LEAVES }, (_, at) => ({ account: addressOf(`leaf ${at}`), cumulative }))
      const tree = CumulativeTree.make(domain, earned)
      const { epoch, gas } = yield* propose(market, "root", tree.root, 1_000_000n * BigInt(LEAVES))
      posted = gas
      applied = yield* onSettlement(operator, "applyRoot", domain.token, epoch)
      return yield* onVault(claimant, "claim", domain.token, claimant, cumulative, tree.proofs[0])
    }),
  )
  return { posted, applied, claim }
})

/** Proposal and application together, divided by the providers. */
const netted = Effect.fnUntraced(function* (market: GasMarket.GasMarket, providers: number) {
  const { domain, onSettlement, operator } = market
  const entries = Array.from({ length: providers }, (_, at) => ({
    account: addressOf(`netted ${at}`),
    amount: 900_123n,
  }))
  const gross = (BigInt(providers) * 900_123n * 10_000n + 8_999n) / 9_000n
  const gas = yield* steady(3, () =>
    Effect.gen(function* () {
      const proposed = yield* propose(market, "batch", Entries.commitment(entries), gross)
      const packed = Entries.pack(entries)
      return proposed.gas + (yield* onSettlement(operator, "applyBatch", domain.token, proposed.epoch, packed))
    }),
  )
  return Math.round(gas / providers)
})

/** Tokens sent to 200 that have some already. */
const payMany = ({ domain, onSettlement, operator }: GasMarket.GasMarket): Gas => {
  const entries = Array.from({ length: 200 }, (_, at) => ({ account: addressOf(`paid ${at}`), amount: 55_555n }))
  const gas = steady(2, (round) =>
    onSettlement(operator, "payMany", domain.token, idOf(`batch ${round}`), Entries.pack(entries)),
  )
  return Effect.map(gas, (all) => Math.round(all / 200))
}

const figures = Effect.fnUntraced(function* (progress: (text: string) => void) {
  const market = yield* GasMarket.make
  progress("requests and vouchers")
  const settle_per_request = yield* perRequest(market)
  const settle_per_request_pulled = yield* pulled(market)
  const redeemed = yield* voucher(market)
  progress(`a root over ${LEAVES} leaves, and claims`)
  const ofRoot = yield* root(market)
  progress("netted batches of 10, 100 and 500")
  return {
    settle_per_request,
    settle_per_request_pulled,
    voucher: redeemed,
    epoch_root: ofRoot.posted,
    epoch_root_applied: ofRoot.applied,
    claim: ofRoot.claim,
    netted_per_provider_10: yield* netted(market, 10),
    netted_per_provider_100: yield* netted(market, 100),
    netted_per_provider_500: yield* netted(market, 500),
    pay_per_recipient_200: yield* payMany(market),
  } satisfies Figures
})

/** Measures all of it. */
export const measure = (progress: (text: string) => void = () => undefined): Promise<Figures> =>
  Effect.runPromise(Effect.provide(figures(progress), GasMarket.chain))

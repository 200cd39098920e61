/**
 * Compares the ledger's mirror accounts with what the contracts themselves say at a final block: their totals, bucket by bucket,
 * and the tokens that they hold. What does not agree is listed item by item and raises an alarm. Nothing is ever changed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import { decodeFunctionResult, encodeFunctionData } from "viem/utils"
import type { Address } from "@guildhall/chain/Address"
import type { Contract } from "@guildhall/chain/ChainError"
import type { Asset } from "@guildhall/core/Asset"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import * as Abi from "./abi/index.ts"
import { IndexError } from "./IndexError.ts"
import { compare, type IndexStore } from "./IndexStore.ts"
import * as BlockReader from "./internal/BlockReader.ts"
import * as ChainReads from "./internal/ChainReads.ts"
import { bytes } from "./internal/Viem.ts"
import * as Mirror from "./Mirror.ts"
import * as MirrorFeed from "./MirrorFeed.ts"
import type { Rpc } from "./Rpc.ts"

/**
 * What is compared: the contracts of a mirror, each with the tokens that it deals in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly contract: Contract
  readonly address: Address
  readonly tokens: ReadonlyArray<Address>
}

/**
 * What does not agree: `totals`, a bucket of which books and contract say different amounts; `missing`, tokens that the contract
 * should hold and does not; `surplus`, tokens that somebody sent to the contract past its functions, which nobody is owed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Difference {
  readonly problem: "totals" | "missing" | "surplus"
  readonly contract: Contract
  readonly asset: Asset
  readonly bucket: string
  readonly books: bigint
  readonly chain: bigint
}

/**
 * What came of it: at which block, how many amounts agree, and what does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly blockNumber: number
  readonly agreed: number
  readonly differences: ReadonlyArray<Difference>
}

const gauge = Metric.gauge("guildhall_mirror_differences", {
  description: "Amounts that the mirror accounts and the contracts do not agree on, by chain, as last compared.",
})

/** What a person is told of a difference. @category getters @since 0.1.0 */
export const describe = ({ asset, books, bucket, chain, contract, problem }: Difference): string => {
  const both = `The books say ${books} ${asset.code}, the chain ${chain}.`
  switch (problem) {
    case "totals":
      return `${contract}.${bucket} differs. ${both} An event was missed or read wrongly: read the index again from its first block, and compare.`
    case "missing":
      return `${contract} holds too little. ${both} Its token took a fee or was taken away: stop what pays from it, and find out.`
    case "surplus":
      return `${contract} holds more than it owes. ${both} Somebody sent tokens to its address; nobody is owed them.`
  }
}

const abis = {
  Staking: Abi.Staking.abi,
  ProviderBond: Abi.ProviderBond.abi,
  InsurancePool: Abi.InsurancePool.abi,
  ValidatorRegistry: Abi.ValidatorRegistry.abi,
  Settlement: Abi.Settlement.abi,
} as const

type Reads = ReturnType<typeof ChainReads.make>

const malformed = (contract: string, cause: unknown) =>
  BlockReader.inconsistent(`The answer of ${contract} cannot be read: is it the contract that was meant?`, cause)

const call = Effect.fnUntraced(function* (reads: Reads, to: Address, data: string, blockNumber: number) {
  return yield* Effect.mapError(reads.call({ to, data }, BigInt(blockNumber)), BlockReader.toIndexError)
})

/** What the contract says of its buckets; nothing where it does not say. */
const totalsAt = Effect.fnUntraced(function* (reads: Reads, subject: Subject, token: Address, blockNumber: number) {
  const { address, contract } = subject
  if (contract === "Channel" || contract === "RootVault") return {}
  const args = contract === "Settlement" ? [bytes(token)] : []
  // Each of these ABIs has a function `totals`; which arguments it takes is looked after above.
  const abi: ReadonlyArray<unknown> = abis[contract]
  const data = encodeFunctionData({ abi, functionName: "totals", args })
  const answer = yield* call(reads, address, data, blockNumber)
  const decoded = Result.try((): unknown => decodeFunctionResult({ abi, functionName: "totals", data: bytes(answer) }))
  if (Result.isFailure(decoded) || typeof decoded.success !== "object" || decoded.success === null) {
    return yield* malformed(contract, Result.isFailure(decoded) ? decoded.failure : undefined)
  }
  return Object.fromEntries(
    Object.entries(decoded.success).filter((entry): entry is [string, bigint] => typeof entry[1] === "bigint"),
  )
})

const balanceAt = Effect.fnUntraced(function* (reads: Reads, token: Address, holder: Address, blockNumber: number) {
  // balanceOf(address)
  const data = `0x70a08231${holder.slice(2).toLowerCase().padStart(64, "0")}`
  const answer = yield* call(reads, token, data, blockNumber)
  const decoded = Result.try(() => BigInt(answer))
  return Result.isFailure(decoded) ? yield* malformed(token, decoded.failure) : decoded.success
})

/** Where the mirror stands: at a final block up to which it has posted everything; undefined where it has not caught up. */
const standing = Effect.fnUntraced(function* (store: IndexStore) {
  const cursor = yield* store.cursor
  if (cursor === null) return undefined
  const mark = yield* store.mark(MirrorFeed.READER)
  const isUndone = (yield* store.undone(mark.undone, 1)).length > 0
  const [next] = yield* store.logs({ after: mark.place, isFinal: true, limit: 1 })
  return isUndone || next !== undefined ? undefined : { cursor, mark }
})

const balancesOf = Effect.fnUntraced(function* (
  { chainId, tokens }: MirrorFeed.Options,
  subjects: ReadonlyArray<Subject>,
) {
  const ledger = yield* Ledger
  const wanted = subjects.flatMap(({ contract, tokens: own }) =>
    own.flatMap((token) => {
      const asset = tokens.get(token)
      return asset === undefined
        ? []
        : [...Mirror.buckets[contract], Mirror.OUTSIDE].map((bucket) =>
            MirrorFeed.accountOf(chainId, contract, asset, bucket),
          )
    }),
  )
  const accounts = wanted.length === 0 ? [] : yield* ledger.accounts(wanted)
  return new Map(accounts.map(({ balance, id }) => [id, balance]))
})

/** So often the mirror may move on while it is compared before that is an error. */
const TRIES = 5

const compareAt = Effect.fnUntraced(function* (
  options: MirrorFeed.Options,
  reads: Reads,
  subjects: ReadonlyArray<Subject>,
  blockNumber: number,
) {
  const balances = yield* balancesOf(options, subjects)
  const differences: Array<Difference> = []
  let agreed = 0
  const look = (difference: Difference) => {
    if (difference.books === difference.chain) agreed += 1
    else differences.push(difference)
  }
  for (const subject of subjects) {
    const { address, contract } = subject
    for (const token of subject.tokens) {
      const asset = options.tokens.get(token)
      if (asset === undefined) continue
      const of = { contract, asset }
      const booked = (bucket: string) =>
        balances.get(MirrorFeed.accountOf(options.chainId, contract, asset, bucket)) ?? 0n
      const totals: Readonly<Record<string, bigint>> = yield* totalsAt(reads, subject, token, blockNumber)
      for (const bucket of Mirror.buckets[contract]) {
        const chain = totals[bucket]
        if (chain !== undefined) look({ problem: "totals", ...of, bucket, books: booked(bucket), chain })
      }
      const held = yield* balanceAt(reads, token, address, blockNumber)
      const books = -booked(Mirror.OUTSIDE)
      look({ problem: held < books ? "missing" : "surplus", ...of, bucket: Mirror.OUTSIDE, books, chain: held })
    }
  }
  return { blockNumber, agreed, differences } satisfies Report
})

const alarm = Effect.fnUntraced(function* (chainId: number, { blockNumber, differences }: Report) {
  yield* Metric.update(Metric.withAttributes(gauge, { chain: `${chainId}` }), differences.length)
  const grave = differences.filter(({ problem }) => problem !== "surplus")
  if (grave.length === 0) return
  yield* Effect.logError(
    [
      `The mirror of chain ${chainId} and its contracts differ in ${grave.length} amount(s) at block ${blockNumber}.`,
      ...grave.slice(0, 20).map((each) => `  ${describe(each)}`),
    ].join("\n"),
  )
})

/**
 * Compares, and raises the alarm where books and chain differ: one log entry at the level Error, and the gauge
 * `guildhall_mirror_differences`. Run it after {@link MirrorFeed.read}: it fails with `overtaken` where the mirror has not posted
 * what is final, or goes on posting all the while.
 *
 * @category commands
 * @since 0.1.0
 */
export const reconcile = Effect.fn("MirrorReconciliation.reconcile")(function* (
  options: MirrorFeed.Options,
  rpc: Rpc["Service"],
  subjects: ReadonlyArray<Subject>,
): Effect.fn.Return<Report, IndexError | LedgerError, Ledger> {
  const reads = ChainReads.make(rpc)
  for (let tries = 0; tries < TRIES; tries++) {
    const before = yield* standing(options.store)
    if (before === undefined) break
    const { finalNumber, forks } = before.cursor
    const report = yield* compareAt(options, reads, subjects, finalNumber)
    const after = yield* standing(options.store)
    const isStill =
      after !== undefined && after.cursor.forks === forks && compare(after.mark.place, before.mark.place) === 0
    if (!isStill) continue
    yield* alarm(options.chainId, report)
    return report
  }
  const detail = "The mirror has not posted everything that is final."
  return yield* new IndexError({ reason: "overtaken", detail })
})

/**
 * Posts each final event of the market's contracts to the ledger's mirror accounts, exactly once and in the chain's order, and
 * reverses what the chain took back.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Address } from "@guildhall/chain/Address"
import type { ChainEvent } from "@guildhall/chain/ChainEvent"
import type { Contract } from "@guildhall/chain/ChainError"
import type { Asset } from "@guildhall/core/Asset"
import { type AccountId, ids } from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Posting } from "@guildhall/ledger/Posting"
import * as MirrorPosting from "@guildhall/ledger/templates/Mirror"
import * as ChainFeed from "./ChainFeed.ts"
import type { ChannelTokens } from "./ChannelTokens.ts"
import type { Decode } from "./EventDecoder.ts"
import type { IndexError } from "./IndexError.ts"
import type { IndexedLog, IndexStore } from "./IndexStore.ts"
import * as Mirror from "./Mirror.ts"

/**
 * What is mirrored: the events of one index, of contracts on one chain.
 *
 * - `tokens`: the assets that the market knows, by their tokens. Anyone may bring another token to a contract: it is left alone.
 * - `own`: the token of each contract that has only one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly chainId: number
  readonly store: IndexStore
  readonly decode: Decode
  readonly tokens: ReadonlyMap<Address, Asset>
  readonly own: Readonly<Partial<Record<Contract, Address>>>
  readonly channels: ChannelTokens
}

/** So many postings are linked at a time: the ledger takes no more. */
const LINKED_MAX = 100

/** The name of the mirror among an index's readers. @category constants @since 0.1.0 */
export const READER = "mirror"

const posted = Metric.counter("guildhall_mirror_events", {
  description: "Events of contracts that were posted to the ledger's mirror accounts, by chain.",
})

/**
 * The mirror account of a bucket of a contract, such as `chain:8453:Settlement:USDC.funded`.
 *
 * @category getters
 * @since 0.1.0
 */
export const accountOf = (chainId: number, contract: Contract, asset: Asset, bucket: string): AccountId =>
  ids.chain(chainId, contract, `${asset.code}.${bucket}`)

/** A posting, and the asset of its accounts. */
interface Drafted {
  readonly asset: Asset
  readonly posting: Posting
}

/** The token that an event is about. */
const tokenOf = (options: Options, { contract, token }: Mirror.Moves) => {
  switch (token._tag) {
    case "Contract":
      return Effect.succeed(options.own[contract])
    case "Named":
      return Effect.succeed(token.address)
    case "OfChannel":
      return options.channels.find(token.channelId)
  }
}

/** What an event is in the books; undefined where it moves nothing that is mirrored. */
const draft = Effect.fnUntraced(function* (options: Options, log: IndexedLog, event: ChainEvent) {
  const { chainId, channels, tokens } = options
  if (event._tag === "Channel.ChannelOpened") yield* channels.keep(event.channelId, event.token)
  const moved = Mirror.of(event)
  if (moved.moves.length === 0) return undefined
  const token = yield* tokenOf(options, moved)
  const asset = token === undefined ? undefined : tokens.get(token)
  if (asset === undefined) return undefined
  const { blockHash, logIndex, transaction } = log
  const moves = moved.moves.map(({ amount, bucket, contract }) => ({
    account: accountOf(chainId, contract, asset, bucket),
    amount,
  }))
  const posting = yield* Effect.fromResult(MirrorPosting.posting({ chainId, transaction, logIndex, blockHash, moves }))
  const drafted: Drafted = { asset, posting }
  return drafted
})

/** Opens accounts that were not seen before. Opening one again changes nothing. */
const makeOpener = () => {
  const opened = new Set<AccountId>()
  return Effect.fnUntraced(function* ({ open }: Ledger["Service"], drafts: ReadonlyArray<Drafted>) {
    for (const { asset, posting } of drafts) {
      for (const { account } of posting.legs) {
        if (opened.has(account)) continue
        yield* open({ id: account, kind: "chain", asset, floor: null })
        opened.add(account)
      }
    }
  })
}

/**
 * Makes the reader that posts. {@link read} lets it read on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): ChainFeed.Reader<IndexError | LedgerError, Ledger> => {
  const open = makeOpener()

  const drafts = Effect.fnUntraced(function* (ledger: Ledger["Service"], logs: ReadonlyArray<IndexedLog>) {
    const drafted: Array<Drafted> = []
    for (const log of logs) {
      const event = options.decode(log)
      const one = event === undefined ? undefined : yield* draft(options, log, event)
      if (one !== undefined) drafted.push(one)
    }
    yield* open(ledger, drafted)
    return drafted.map(({ posting }) => posting)
  })

  return {
    name: READER,
    credit: Effect.fn("MirrorFeed.credit")(function* (logs) {
      const ledger = yield* Ledger
      const postings = yield* drafts(ledger, logs)
      const commands = postings.map((posting) => ({ _tag: "Post", posting }) as const)
      // In the chain's order, each hundred as a whole; what was posted before a crash is answered as it was.
      yield* Effect.forEach(Arr.chunksOf(commands, LINKED_MAX), ledger.link, {
        concurrency: "unbounded",
        discard: true,
      })
      yield* Metric.update(Metric.withAttributes(posted, { chain: `${options.chainId}` }), postings.length)
    }),
    takeBack: Effect.fn("MirrorFeed.takeBack")(function* (logs) {
      const ledger = yield* Ledger
      for (const posting of yield* drafts(ledger, logs)) {
        // Where it was never posted it is now, so that a process that is about to post it finds it done and taken back.
        const { sequence } = yield* ledger.post(posting)
        yield* ledger.reverse(sequence, [])
      }
    }),
  }
}

/**
 * Posts what is new; answers how many events were read. Run it after each step of the index, from as many processes as you like.
 *
 * @category commands
 * @since 0.1.0
 */
export const read = (
  options: Options,
  reader: ChainFeed.Reader<IndexError | LedgerError, Ledger>,
): Effect.Effect<number, IndexError | LedgerError, Ledger> => ChainFeed.read(options.store, reader)

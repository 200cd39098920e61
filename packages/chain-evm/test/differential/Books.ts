/** Both sides' events in a ledger each: those of the contracts by the index and the mirror, those in memory at once. */
import { Effect, Layer } from "effect"
import type { Address } from "@guildhall/chain/Address"
import type { ChainEvent } from "@guildhall/chain/ChainEvent"
import { Contract } from "@guildhall/chain/ChainError"
import type { Bytes32 } from "@guildhall/chain/Hex"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as MirrorPosting from "@guildhall/ledger/templates/Mirror"
import * as ChannelTokens from "../../src/ChannelTokens.ts"
import * as EventDecoder from "../../src/EventDecoder.ts"
import * as Indexer from "../../src/Indexer.ts"
import * as IndexStore from "../../src/IndexStore.ts"
import * as Mirror from "../../src/Mirror.ts"
import * as MirrorFeed from "../../src/MirrorFeed.ts"
import * as MirrorReconciliation from "../../src/MirrorReconciliation.ts"
import type * as Cast from "./Cast.ts"
import type * as Services from "./Services.ts"

const asset = (code: string, scale: number): Asset => ({ code: AssetCode.make(code), scale })

const assetsOf = ({ tokens }: Cast.Cast): ReadonlyMap<Address, Asset> =>
  new Map([
    [tokens.stake, asset("GLD", 18)],
    [tokens.usd, asset("USDC", 6)],
    [tokens.blk, asset("BLK", 18)],
  ])

/** A ledger of its own. */
export const ledger = Effect.map(
  Layer.build(Layer.fresh(Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)))),
  (context) => Effect.provideContext(Ledger.Ledger, context),
).pipe(Effect.flatten)

type Balances = ReadonlyMap<string, string>

const mirrorOf = (cast: Cast.Cast) => {
  const assets = [...assetsOf(cast).values()]
  return Contract.literals.flatMap((contract) =>
    assets.flatMap((one) =>
      [...Mirror.buckets[contract], Mirror.OUTSIDE].map((bucket) =>
        MirrorFeed.accountOf(cast.chainId, contract, one, bucket),
      ),
    ),
  )
}

const balancesOf = Effect.fnUntraced(function* (cast: Cast.Cast, { accounts }: Ledger.Ledger["Service"]) {
  const balances: Balances = new Map(
    (yield* Effect.orDie(accounts(mirrorOf(cast)))).flatMap(({ balance, id }) =>
      balance === 0n ? [] : [[`mirror ${id}`, `${balance}`]],
    ),
  )
  return balances
})

/** The index of the contracts, and the ledger that the mirror posts to. */
export const make = Effect.fnUntraced(function* ({ node }: Services.Parts, cast: Cast.Cast) {
  const books = yield* ledger
  const store = IndexStore.makeMemory()
  const { stake } = cast.tokens
  const places = Contract.literals.map((contract) => ({ contract, address: cast.contracts[contract] }))
  const decode = EventDecoder.make(places)
  const options: MirrorFeed.Options = {
    chainId: cast.chainId,
    store,
    decode,
    tokens: assetsOf(cast),
    own: { Staking: stake, ProviderBond: stake, InsurancePool: stake, ValidatorRegistry: stake },
    channels: ChannelTokens.makeMemory(),
  }
  const watches = Effect.succeed([{ addresses: places.map(({ address }) => address) }])
  const index = Indexer.make({ name: "differential", rpc: node.rpc, store, firstBlock: 1, watches })
  const mirror = MirrorFeed.make(options)
  let takenBack = 0
  const reader: typeof mirror = {
    ...mirror,
    takeBack: (logs) => Effect.tap(mirror.takeBack(logs), () => Effect.sync(() => void (takenBack += logs.length))),
  }
  const posted = <A, E>(effect: Effect.Effect<A, E, Ledger.Ledger>) =>
    Effect.orDie(Effect.provideService(effect, Ledger.Ledger, books))
  const read = Effect.andThen(Effect.orDie(index.catchUp), posted(MirrorFeed.read(options, reader)))
  const subjects = places.map(({ address, contract }) => ({
    contract,
    address,
    tokens:
      contract === "Settlement" || contract === "RootVault" || contract === "Channel"
        ? Object.values(cast.tokens)
        : [stake],
  }))
  return {
    read,
    /** How many events it has posted and taken back. */
    takenBack: () => takenBack,
    /** What the mirror accounts have. */
    balances: Effect.suspend(() => balancesOf(cast, books)),
    /** What reconciliation finds; nothing where all agrees. */
    problems: Effect.map(
      posted(MirrorReconciliation.reconcile(options, node.rpc, subjects)),
      ({ agreed, differences }) => ({ agreed, problems: differences.map(MirrorReconciliation.describe) }),
    ),
    /** All final events of the contracts. */
    events: Effect.map(
      Effect.orDie(store.logs({ after: IndexStore.BEGINNING.place, isFinal: true, limit: 10_000 })),
      (logs): ReadonlyArray<ChainEvent> =>
        logs.flatMap((log) => {
          const event = decode(log)
          return event === undefined ? [] : [event]
        }),
    ),
  }
})

export type Books = Effect.Success<ReturnType<typeof make>>

/** So many postings are made at once. */
const PAGE = 100

/** What the mirror accounts would have after these events. */
export const ofEvents = Effect.fnUntraced(function* (cast: Cast.Cast, events: ReadonlyArray<ChainEvent>) {
  const books = yield* ledger
  const [assets, channels, opened] = [assetsOf(cast), new Map<Bytes32, Address>(), new Set<string>()]
  const tokenOf = ({ token }: Mirror.Moves): Address | undefined => {
    if (token._tag === "Contract") return cast.tokens.stake
    return token._tag === "Named" ? token.address : channels.get(token.channelId)
  }
  const postings = []
  for (const event of events) {
    if (event._tag === "Channel.ChannelOpened") channels.set(event.channelId, event.token)
    const moved = Mirror.of(event)
    const token = tokenOf(moved)
    const of = token === undefined ? undefined : assets.get(token)
    if (moved.moves.length === 0 || of === undefined) continue
    const moves = moved.moves.map(({ amount, bucket, contract }) => ({
      account: MirrorFeed.accountOf(cast.chainId, contract, of, bucket),
      amount,
    }))
    for (const { account } of moves) {
      if (opened.has(account)) continue
      yield* Effect.orDie(books.open({ id: account, kind: "chain", asset: of, floor: null }))
      opened.add(account)
    }
    const { blockHash, logIndex, transaction } = event.position
    const drafted = MirrorPosting.posting({ chainId: cast.chainId, transaction, logIndex, blockHash, moves })
    postings.push({ _tag: "Post", posting: yield* Effect.orDie(Effect.fromResult(drafted)) } as const)
  }
  for (let at = 0; at < postings.length; at += PAGE) {
    yield* Effect.orDie(books.link(postings.slice(at, at + PAGE)))
  }
  return yield* balancesOf(cast, books)
})

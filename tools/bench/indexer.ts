/**
 * How fast the events of a chain are read and posted: a real anvil with blocks full of events, a real PostgreSQL that waits for its
 * disk, and everything in between as a gateway runs it. docs/indexer-performance.md says what each figure means.
 *
 * `npm run bench -- indexer [--json <file>] [--quick]`
 */
import { PgClient } from "@effect/sql-pg"
import * as Address from "@guildhall/chain/Address"
import * as ChannelTokens from "@guildhall/chain-evm/ChannelTokens"
import { anvil as anvilChain } from "@guildhall/chain-evm/chains/anvil"
import * as EventDecoder from "@guildhall/chain-evm/EventDecoder"
import * as Indexer from "@guildhall/chain-evm/Indexer"
import * as IndexStoreSql from "@guildhall/chain-evm/IndexStoreSql"
import * as MirrorFeed from "@guildhall/chain-evm/MirrorFeed"
import * as Rpc from "@guildhall/chain-evm/Rpc"
import { AssetCode } from "@guildhall/core/Asset"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as SqlClient from "effect/sql/SqlClient"
import * as Anvil from "../Anvil.ts"
import * as Emitter from "../Emitter.ts"
import type { Run } from "../bench.ts"
import * as IndexerPage from "./IndexerPage.ts"
import * as LedgerCluster from "./LedgerCluster.ts"

const token = Address.fromBytes(new Uint8Array(20).fill(0x22))
const second = `0x${"0".repeat(24)}${"22".repeat(20)}`
const EVENTS_PER_BLOCK = 250

/** What an effect takes: seconds, and this process's CPU in seconds. */
const measured = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const cpu = process.cpuUsage()
  const began = performance.now()
  yield* effect
  const { system, user } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - began) / 1_000, cpuS: (system + user) / 1_000_000 }
})

const sizeOf = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly bytes: number }>`SELECT (pg_total_relation_size('chain_evm_logs')
    + pg_total_relation_size('chain_evm_blocks'))::float8 AS bytes`
  return row?.bytes ?? 0
})

const make = Effect.fnUntraced(function* (url: string, firstBlock: number) {
  const chain = { ...anvilChain, finalityDepth: 64 }
  const rpc = yield* Rpc.make({ chain, endpoints: [Redacted.make(url)] })
  const store = yield* IndexStoreSql.make({ name: "bench", subject: "bench" })
  const watches = Effect.succeed([{ addresses: [Emitter.ADDRESS] }])
  const index = Indexer.make({ name: "bench", rpc, store, firstBlock, watches })
  const options: MirrorFeed.Options = {
    chainId: chain.id,
    store,
    decode: EventDecoder.make([{ contract: "Settlement", address: Emitter.ADDRESS }]),
    tokens: new Map([[token, { code: AssetCode.make("USDC"), scale: 6 }]]),
    own: {},
    channels: yield* ChannelTokens.makeSql(chain.id),
  }
  return { index, mirror: MirrorFeed.read(options, MirrorFeed.make(options)) }
})

const program = Effect.fnUntraced(function* (blocks: number, progress: (text: string) => void) {
  const anvil = yield* Anvil.make()
  yield* Emitter.deploy(anvil.request)
  const topic = EventDecoder.selectorOf("Settlement", "Funded") ?? ""
  progress(`${blocks * EVENTS_PER_BLOCK} events in ${blocks} blocks …`)
  for (let block = 0; block < blocks; block++) {
    yield* Emitter.emit(anvil.request, { count: EVENTS_PER_BLOCK, topic, second })
  }
  yield* anvil.mine(65)
  const { index, mirror } = yield* make(anvil.url, 1)
  const events = blocks * EVENTS_PER_BLOCK
  progress("reading …")
  const read = yield* measured(index.catchUp)
  const bytes = yield* sizeOf
  progress("posting to the mirror accounts …")
  const posted = yield* measured(mirror)

  progress("as much again, on top of what is there …")
  for (let block = 0; block < blocks; block++) {
    yield* Emitter.emit(anvil.request, { count: EVENTS_PER_BLOCK, topic, second })
  }
  yield* anvil.mine(65)
  const again = yield* measured(index.catchUp)
  const postedAgain = yield* measured(mirror)

  progress("at the newest block, one block at a time …")
  const tip = yield* measured(
    Effect.gen(function* () {
      for (let block = 0; block < 50; block++) {
        yield* Emitter.emit(anvil.request, { count: EVENTS_PER_BLOCK, topic, second })
        yield* index.catchUp
      }
    }),
  )
  return {
    events,
    events_per_s: events / read.seconds,
    cpu_us_per_event: (read.cpuS * 1e6) / events,
    events_per_s_later: events / again.seconds,
    cpu_us_per_event_later: (again.cpuS * 1e6) / events,
    bytes_per_event: bytes / events,
    posted_per_s: events / posted.seconds,
    posted_cpu_us: (posted.cpuS * 1e6) / events,
    posted_per_s_later: events / postedAgain.seconds,
    posted_cpu_us_later: (postedAgain.cpuS * 1e6) / events,
    tip_events_per_s: (50 * EVENTS_PER_BLOCK) / tip.seconds,
    tip_block_ms: (tip.seconds * 1_000) / 50,
  }
})

/** Runs the benchmark. A full run also writes its figures into the documentation. */
export const run: Run = async ({ isQuick, progress }) => {
  const server = await LedgerCluster.start()
  try {
    const url = await server.database("indexer")
    const Live = Ledger.layer.pipe(
      Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })),
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 6 })),
      Layer.provideMerge(FetchHttpClient.layer),
    )
    const blocks = isQuick ? 40 : 200
    const metrics = await Effect.runPromise(program(blocks, progress).pipe(Effect.scoped, Effect.provide(Live)))
    if (!isQuick) progress(`written: ${IndexerPage.write(metrics)}`)
    return metrics
  } finally {
    await server.stop()
  }
}

/**
 * What a market does on its chain, put together: the adapter over the endpoints, the index of the contracts' events, the mirror in the
 * books, epochs and payouts as durable runs on the same database, deposits, and what routing is told.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as SingleRunner from "effect/cluster/SingleRunner"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type { Address } from "@guildhall/chain/Address"
import { Settlement } from "@guildhall/chain/Settlement"
import { StakeBook } from "@guildhall/chain/StakeBook"
import * as EventDecoder from "@guildhall/chain-evm/EventDecoder"
import * as EvmSettlement from "@guildhall/chain-evm/EvmSettlement"
import * as EvmStakeBook from "@guildhall/chain-evm/EvmStakeBook"
import * as Indexer from "@guildhall/chain-evm/Indexer"
import * as IndexStoreSql from "@guildhall/chain-evm/IndexStoreSql"
import * as Rpc from "@guildhall/chain-evm/Rpc"
import * as Sender from "@guildhall/chain-evm/Sender"
import * as SenderStoreSql from "@guildhall/chain-evm/SenderStoreSql"
import { Signer } from "@guildhall/chain-evm/Signer"
import * as Standing from "@guildhall/chain-evm/Standing"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as Tier from "@guildhall/core/rules/Tier"
import * as Epochs from "@guildhall/steward/Epochs"
import * as Loop from "@guildhall/steward/Loop"
import * as ChainMirror from "./ChainMirror.ts"
import * as ChainParts from "./ChainParts.ts"
import * as ChainRails from "./ChainRails.ts"
import * as ChainSite from "./ChainSite.ts"
import * as ContractNames from "./ContractNames.ts"
import * as DepositLoop from "./DepositLoop.ts"
import type { Facts } from "./Launch.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"
import * as PayoutLoop from "./PayoutLoop.ts"
import * as StandingLoop from "./StandingLoop.ts"
import * as Wallets from "./Wallets.ts"

/** How often the chain is read, and what was read is told to routing. */
const READ_MS = 2_000
const TELL_MS = 1_000
/** How often what the books say of the contracts is compared with what they say themselves. */
const COMPARE_MS = 60_000
/** Where the chain cannot be reached at a start. */
const AGAIN_MS = 10_000

/** Runs of epochs, kept in the database of the books; one process has each. */
const engine = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(
    SingleRunner.layer({
      shardingConfig: {
        shardsPerGroup: 10,
        shardLockExpiration: "15 seconds",
        entityMessagePollInterval: "1 second",
        refreshAssignmentsInterval: "1 second",
      },
    }),
  ),
  Layer.provide(NodeCrypto.layer),
)

/** The contracts that stand, by their names; the vault of roots is known by its settlement. */
const standing = Effect.fnUntraced(function* (site: ChainSite.ChainSite) {
  const { domain } = yield* Settlement
  const at = { ...site.contracts, rootVault: domain.contract }
  return ContractNames.names.flatMap((name) => {
    const address = at[name]
    return address === undefined ? [] : [{ contract: ContractNames.contracts[name], address }]
  })
})

/** The index of the contracts' events, in the database. */
const index = Effect.fnUntraced(function* (site: ChainSite.ChainSite) {
  const deployed = yield* standing(site)
  const addresses = deployed.map(({ address }) => address)
  const name = `market-${site.chain.id}-${site.contracts.settlement?.slice(2, 14) ?? ""}`
  const store = yield* IndexStoreSql.make({ name, subject: `${site.chain.id} ${addresses.join(" ")}` })
  return { name, store, deployed, addresses, decode: EventDecoder.make(deployed) }
})

/** Reads the chain, and mirrors in the books what is final. */
const reading = Effect.fnUntraced(function* (site: ChainSite.ChainSite, definition: ChainSite.Defined) {
  const rpc = yield* Rpc.Rpc
  const { addresses, decode, deployed, name, store } = yield* index(site)
  const watches = Effect.succeed([{ addresses }])
  const indexer = Indexer.make({ name, rpc, store, firstBlock: site.fromBlock, watches })
  const stake = definition.stakeAsset === undefined ? undefined : site.tokens.get(definition.stakeAsset)?.address
  const mirror = yield* ChainMirror.make(site, { store, decode, standing: deployed, stake })
  yield* Loop.run("ChainIndex", READ_MS, Effect.andThen(indexer.catchUp, mirror.read))
  yield* Loop.run("ChainReconciliation", COMPARE_MS, mirror.compare)
})

/** Tells routing, first before anything is routed. */
const telling = Effect.fnUntraced(function* (site: ChainSite.ChainSite, { chain }: ChainSite.Defined) {
  const { decode, store } = yield* index(site)
  const book = yield* Effect.serviceOption(StakeBook)
  const round = yield* StandingLoop.make({
    chain,
    standing: Standing.make(store, decode),
    minActiveS: Option.match(book, { onNone: () => 0, onSome: ({ terms }) => terms.minActiveS }),
  })
  yield* Effect.ignore(round)
  yield* Loop.run("Standing", TELL_MS, round)
})

/** What a tier of then multiplied by, of stake that was active for long enough. */
const multipliersOf = ({ stakeAt, terms, tiers }: StakeBook["Service"]): NonNullable<Epochs.Options["multipliers"]> =>
  Effect.fnUntraced(function* (accounts, atS) {
    const table = yield* tiers(atS)
    const found = yield* Effect.forEach(
      accounts,
      (account) =>
        Effect.gen(function* () {
          const aged = Tier.aged(yield* stakeAt(account, atS), yield* stakeAt(account, atS - terms.minActiveS))
          const tier = table === undefined ? undefined : Tier.of(table.tiers, aged)
          return [account, tier?.tier.multiplierBps ?? 10_000] as const
        }),
      { concurrency: 8 },
    )
    return new Map(found)
  })

/** Settles epochs. */
const settling = Effect.fnUntraced(function* (site: ChainSite.ChainSite, definition: ChainSite.Defined, by: Address) {
  const token = site.tokens.get(definition.chain.settlement.asset)
  if (token === undefined) return
  // A market without stake has no such contract, and nothing is multiplied.
  const book = yield* Effect.serviceOption(StakeBook)
  const { round } = yield* Epochs.make({
    settling: definition.chain.settlement,
    asset: token.asset,
    token,
    definition: yield* MarketDefinition.digest(definition),
    by,
    wallets: yield* Wallets.make,
    multipliers: Option.isSome(book) ? multipliersOf(book.value) : undefined,
    finalityMs: site.chain.confirmations * site.chain.blockTimeMs,
  })
  yield* Loop.run("Epochs", READ_MS, round)
})

/** Takes deposits, where the definition names them. */
const depositing = Effect.fnUntraced(function* (
  facts: Facts,
  site: ChainSite.ChainSite,
  definition: ChainSite.Defined,
) {
  const terms = ChainParts.depositOf(definition)
  if (terms === undefined) return
  const { asset, name, store, ...deposits } = yield* ChainRails.deposits(facts, site, definition, terms)
  const firstBlock = site.fromBlock
  const round = yield* DepositLoop.make({ name, deposits, store, asset: asset.asset, firstBlock })
  yield* Loop.run("Deposits", READ_MS, round)
})

/** Pays, where there is a key to do it with: by epochs and, where the definition names them, by payouts. */
const paying = Effect.fnUntraced(function* (site: ChainSite.ChainSite, definition: ChainSite.Defined) {
  const [operator] = (yield* Signer).addresses
  const terms = ChainParts.payoutOf(definition)
  if (operator === undefined) {
    const what = terms === undefined ? "Epochs are not settled" : "Epochs are not settled, and payouts not sent,"
    return yield* Effect.logWarning(
      `${what} by this gateway: it has no key of the contract's operator. Give it one with GUILDHALL_CHAIN_KEY_FILE.`,
    )
  }
  yield* ChainSite.checkOperator(site, operator)
  yield* settling(site, definition, operator)
  const { settlement } = site.contracts
  if (terms === undefined || settlement === undefined) return
  yield* PayoutLoop.run(site, definition, terms, { settlement, operator })
})

/** The adapter over a site. */
const adapter = (facts: Facts, site: ChainSite.ChainSite) => {
  const { settlement, staking } = site.contracts
  if (settlement === undefined) {
    return Effect.fail(
      new LaunchError({
        what: "The market's settlement contract is not known.",
        todo: "Name it in the definition (chain.contracts.settlement), or start the chain for development with --chain.",
      }),
    )
  }
  return Effect.succeed(
    Layer.mergeAll(
      EvmSettlement.layer({ address: settlement }),
      ...(staking === undefined ? [] : [EvmStakeBook.layer({ address: staking })]),
    ).pipe(
      Layer.provideMerge(Sender.layer().pipe(Layer.provide(SenderStoreSql.layer))),
      Layer.provideMerge(Rpc.layer({ chain: site.chain, endpoints: site.endpoints })),
      Layer.provideMerge(ChainSite.signer(facts)),
      Layer.provide([FetchHttpClient.layer, NodeServices.layer]),
    ),
  )
}

/** What is done on a site once its adapter stands. */
type Work<E, R> = (site: ChainSite.ChainSite, definition: ChainSite.Defined) => Effect.Effect<void, E, R>

/** Makes what is asked for over the adapter, in a scope of its own: what does not come up leaves nothing behind. */
const starting = Effect.fnUntraced(function* <E, R>(facts: Facts, definition: ChainSite.Defined, work: Work<E, R>) {
  const site = yield* ChainSite.make(facts, definition)
  const over = yield* adapter(facts, site)
  const scope = yield* Effect.scope
  return Effect.gen(function* () {
    const own = yield* Scope.fork(scope)
    const made = Effect.gen(function* () {
      const context = yield* Layer.buildWithScope(over, own)
      yield* ChainSite.checkTokens(site).pipe(
        Effect.andThen(ChainSite.checkEpochs(definition)),
        Effect.andThen(work(site, definition)),
        Effect.provideContext(context),
        Scope.provide(own),
      )
    })
    yield* Effect.onError(made, (cause) => Scope.close(own, Exit.failCause(cause)))
  })
})

const isAway = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "isRetryable" in error && error.isRetryable === true

const refused = (error: unknown): LaunchError =>
  error instanceof LaunchError
    ? error
    : new LaunchError({
        what: "The market's chain cannot be used.",
        why: reasonOf(error),
        todo: "Correct the chain of the market definition, GUILDHALL_CHAIN_RPC or GUILDHALL_CHAIN_KEY.",
      })

/** Starts now or, where the chain is away, later: requests are served meanwhile, by what was known of it last. */
const start = Effect.fnUntraced(function* <E, R>(facts: Facts, definition: ChainSite.Defined, work: Work<E, R>) {
  const up = yield* starting(facts, definition, work)
  const later = up.pipe(
    Effect.retry({ while: isAway, schedule: Schedule.spaced(AGAIN_MS) }),
    Effect.matchEffect({
      onSuccess: () => Effect.logInfo("The market's chain is reached."),
      onFailure: (error) => Effect.logError(refused(error).message),
    }),
    Effect.delay(AGAIN_MS),
    Effect.forkScoped,
  )
  yield* Effect.catch(up, (error) =>
    isAway(error)
      ? Effect.andThen(
          Effect.logWarning(
            `The market goes on without its chain, and takes it up when it answers. ${reasonOf(error)}`,
          ),
          Effect.asVoid(later),
        )
      : Effect.fail(refused(error)),
  )
})

const everything = (facts: Facts) =>
  Effect.fnUntraced(function* (site: ChainSite.ChainSite, definition: ChainSite.Defined) {
    yield* reading(site, definition)
    yield* depositing(facts, site, definition)
    yield* telling(site, definition)
    yield* paying(site, definition)
  })

/**
 * For the process that settles.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (facts: Facts, definition: ChainSite.Defined) =>
  Layer.effectDiscard(start(facts, definition, everything(facts))).pipe(
    Layer.provide([engine, KeyValueStore.layerSql({ table: "guildhall_payout_status" })]),
  )

/**
 * For every further process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFurther = (facts: Facts, definition: ChainSite.Defined) =>
  Layer.effectDiscard(start(facts, definition, telling))

/**
 * Follows the transfers to members' addresses, and posts what arrived for good: each once, whoever asked for it or nobody.
 */
import * as Effect from "effect/Effect"
import type { EvmPaymentRail } from "@guildhall/chain-evm/EvmPaymentRail"
import * as Indexer from "@guildhall/chain-evm/Indexer"
import type { IndexStore } from "@guildhall/chain-evm/IndexStore"
import { Rpc } from "@guildhall/chain-evm/Rpc"
import type { Asset } from "@guildhall/core/Asset"
import * as AccountOpener from "@guildhall/gateway/AccountOpener"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import * as TopUp from "@guildhall/ledger/templates/TopUp"

/**
 * The rail with its index; `firstBlock` is where reading begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name: string
  readonly deposits: Pick<EvmPaymentRail, "rail" | "watches" | "take" | "deliver">
  readonly store: IndexStore
  readonly asset: Asset
  readonly firstBlock: number
}

/**
 * Makes the round that reads on and posts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ asset, deposits, firstBlock, name, store }: Options) {
  const rpc = yield* Rpc
  const ledger = yield* Ledger
  const open = yield* AccountOpener.make
  const { deliver, rail, take, watches } = deposits
  const indexer = Indexer.make({ name, rpc, store, firstBlock, watches })

  const post = deliver(({ amount, externalId, key, member }) =>
    Effect.gen(function* () {
      const { fundingSource, name } = rail
      const to = Account.ids.funds(fundingSource, member)
      // The key of the top-up that asked for it, if one did: whoever asks again finds it made.
      const posting = yield* Effect.fromResult(
        TopUp.posting({ rail: name, key, movement: externalId, fundingSource, to, amount }),
      )
      yield* open(
        posting.legs.map(({ account }) => account),
        asset,
      )
      yield* ledger.post(posting)
      return true
    }).pipe(
      Effect.catchIf(
        ({ isRetryable }) => !isRetryable,
        // A frozen account, for one. It is tried again with each round, and keeps nobody else waiting.
        (error) =>
          Effect.as(
            Effect.logWarning(`A deposit of ${member} is there and not in the books yet (${key}). ${error.message}`),
            false,
          ),
      ),
    ),
  )
  return indexer.catchUp.pipe(Effect.andThen(take), Effect.andThen(post), Effect.withSpan("DepositLoop.round"))
})

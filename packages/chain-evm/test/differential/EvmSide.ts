/** The contracts on a real chain as one side of a trace, through the ports. */
import { Context, Effect, Layer } from "effect"
import * as Hex from "@guildhall/chain/Hex"
import * as EvmBondVault from "../../src/EvmBondVault.ts"
import * as EvmInsuranceVault from "../../src/EvmInsuranceVault.ts"
import * as EvmPaymentChannel from "../../src/EvmPaymentChannel.ts"
import * as EvmSettlement from "../../src/EvmSettlement.ts"
import * as EvmStakeBook from "../../src/EvmStakeBook.ts"
import * as Sender from "../../src/Sender.ts"
import * as SenderStore from "../../src/SenderStore.ts"
import * as TypedMessage from "../../src/TypedMessage.ts"
import type * as Cast from "./Cast.ts"
import * as Ports from "./Ports.ts"
import * as Services from "./Services.ts"
import * as Still from "./Still.ts"
import { type ActStep, signed } from "./Step.ts"

/** A transaction that is in the chain, and whether the contract did what it asked. */
export interface Included {
  readonly hash: string
  readonly isDone: boolean
}

export interface Block {
  readonly number: number
  readonly atS: number
  readonly transactions: ReadonlyArray<Included>
}

export interface EvmSide extends Ports.Side {
  readonly act: (step: ActStep) => Effect.Effect<Ports.Outcome>
  readonly head: Effect.Effect<number>
  readonly mineAt: (atS: number) => Effect.Effect<void>
  /** Takes blocks off, goes on at a second, and has the sender send again what was in them. Answers the blocks that came after. */
  readonly reorg: (depth: number, atS: number) => Effect.Effect<ReadonlyArray<Block>>
}

/** Blocks as anvil tells them, with their transactions. */
interface RawBlock {
  readonly timestamp: string
  readonly transactions: ReadonlyArray<{ readonly hash: string }>
}

const NO_SIGNATURE = Hex.Hex.make(`0x${"00".repeat(65)}`)

/** So often the sender looks at most until all is included again. */
const LOOKS_MAX = 20

/** The ports of a market, with a sender that has sent nothing yet. */
export const make = Effect.fnUntraced(function* (parts: Services.Parts, cast: Cast.Cast) {
  const { node, signer } = parts
  const { contracts } = cast
  const still = yield* Still.make(() => 0)
  const context = yield* still(
    Effect.orDie(
      Layer.build(
        Layer.mergeAll(
          EvmStakeBook.layer({ address: contracts.Staking }),
          EvmBondVault.layer({ address: contracts.ProviderBond }),
          EvmSettlement.layer({ address: contracts.Settlement }),
          EvmInsuranceVault.layer({ address: contracts.InsurancePool }),
          EvmPaymentChannel.layer({ address: contracts.Channel }),
        ).pipe(Layer.provideMerge(Services.layer(parts))),
      ),
    ),
  )
  const ports = yield* Effect.provideContext(Ports.ports, context)
  const sender = Context.get(context, Sender.Sender)
  const store = Context.get(context, SenderStore.SenderStore)
  const head = Effect.orDie(Effect.map(node.rpc.head, Number))

  const signature = ({ signing }: ActStep) =>
    signing === undefined
      ? Effect.succeed(NO_SIGNATURE)
      : signer.signTypedData(signing.by, TypedMessage.make(signing.message, signing.domain)).pipe(
          Effect.map((text) => Hex.Hex.make(text)),
          // What no contract could read cannot be signed either.
          Effect.orElseSucceed(() => NO_SIGNATURE),
        )

  const sentAgain = Effect.gen(function* () {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      yield* sender.look
      const watched = yield* store.watched(cast.chainId)
      if (watched.every(({ state }) => state !== "Pending")) return
    }
    return yield* Effect.die("What was sent is not in the chain again.")
  }).pipe(Effect.orDie, still)

  const block = Effect.fnUntraced(function* (number: number) {
    const found = yield* node.request("eth_getBlockByNumber", [`0x${number.toString(16)}`, true])
    // What anvil answers has this form.
    const { timestamp, transactions } = found as RawBlock
    const included = yield* Effect.forEach(transactions, ({ hash }) =>
      Effect.map(node.request("eth_getTransactionReceipt", [hash]), (receipt): Included => {
        // As above.
        const { status } = receipt as { readonly status: string }
        return { hash, isDone: BigInt(status) === 1n }
      }),
    )
    return { number, atS: Number(timestamp), transactions: included } satisfies Block
  })

  const reorg = Effect.fnUntraced(function* (depth: number, atS: number) {
    const fork = (yield* head) - depth
    yield* node.reorg(depth)
    yield* node.mineAt(atS)
    yield* sentAgain
    const now = yield* head
    return yield* Effect.forEach(
      Array.from({ length: now - fork }, (_, at) => fork + 1 + at),
      block,
    )
  })

  const side: EvmSide = {
    ports,
    balance: (token, account) =>
      Effect.map(
        Effect.orDie(
          node.rpc.request("eth_call", [{ to: token, data: `0x70a08231${Hex.wordOf(account).slice(2)}` }, "latest"]),
        ),
        (answer) => BigInt(String(answer)),
      ),
    act: (step) =>
      still(
        Effect.flatMap(signature(step), (made) =>
          Ports.outcome(Ports.act(ports, step.signing === undefined ? step.move : signed(step.move, made))),
        ),
      ),
    head,
    mineAt: node.mineAt,
    reorg,
  }
  return side
})

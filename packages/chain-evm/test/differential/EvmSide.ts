/** The contracts on a real chain as one side of a trace, through the ports. */
import { Context, Effect, Layer, Record } from "effect"
import * as Hex from "@guildhall/chain/Hex"
import * as EvmBondVault from "../../src/EvmBondVault.ts"
import * as EvmInsuranceVault from "../../src/EvmInsuranceVault.ts"
import * as EvmPaymentChannel from "../../src/EvmPaymentChannel.ts"
import * as EvmSettlement from "../../src/EvmSettlement.ts"
import * as EvmStakeBook from "../../src/EvmStakeBook.ts"
import * as EvmValidatorSet from "../../src/EvmValidatorSet.ts"
import * as Sender from "../../src/Sender.ts"
import * as SenderStore from "../../src/SenderStore.ts"
import * as TypedMessage from "../../src/TypedMessage.ts"
import type * as Cast from "./Cast.ts"
import * as EvmReorg from "./EvmReorg.ts"
import * as Ports from "./Ports.ts"
import * as SentBook from "./SentBook.ts"
import * as Services from "./Services.ts"
import * as Still from "./Still.ts"
import { type ActStep, signed, type Signing } from "./Step.ts"

export interface EvmSide extends Ports.Side {
  readonly act: (step: ActStep) => Effect.Effect<Ports.Outcome>
  readonly head: Effect.Effect<number>
  readonly mineAt: (atS: number) => Effect.Effect<void>
  /** The blocks after one, as they are now. */
  readonly after: (number: number) => Effect.Effect<ReadonlyArray<EvmReorg.Block>>
  /** Takes blocks off and puts others in their place. What was lost is given up or sent later, by the kind. */
  readonly reorg: (asked: EvmReorg.Asked) => Effect.Effect<EvmReorg.Became>
  /** The sender looks at what it sent until there is nothing more to do; false where nothing waits for a later block. */
  readonly look: Effect.Effect<boolean>
}

const NO_SIGNATURE = Hex.Hex.make(`0x${"00".repeat(65)}`)

/** So often the sender looks at most until all is included again, and so much time goes by for it in between. */
const LOOKS_MAX = 20
const LOOK_MS = 60_000

/** The ports of a market, with a sender that has sent nothing yet. `isAct` knows the keys of a trace's acts. */
export const make = Effect.fnUntraced(function* (
  parts: Services.Parts,
  cast: Cast.Cast,
  isAct: (key: string) => boolean = () => true,
) {
  const { node, signer } = parts
  const { contracts } = cast
  let nowMs = 0
  const still = yield* Still.make(() => nowMs)
  const book = yield* SentBook.make
  const { store } = book
  const context = yield* still(
    Effect.orDie(
      Layer.build(
        Layer.mergeAll(
          EvmStakeBook.layer({ address: contracts.Staking }),
          EvmBondVault.layer({ address: contracts.ProviderBond }),
          EvmSettlement.layer({ address: contracts.Settlement }),
          EvmInsuranceVault.layer({ address: contracts.InsurancePool }),
          EvmPaymentChannel.layer({ address: contracts.Channel }),
          EvmValidatorSet.layer({ address: contracts.ValidatorRegistry }),
        ).pipe(Layer.provideMerge(Services.layer(parts, Layer.succeed(SenderStore.SenderStore, store)))),
      ),
    ),
  )
  const ports = yield* Effect.provideContext(Ports.ports, context)
  const sender = Context.get(context, Sender.Sender)
  const reorgs = EvmReorg.make(node, book, isAct)
  const head = Effect.orDie(Effect.map(node.rpc.head, Number))

  const signature = ({ by, domain, message }: Signing) =>
    signer.signTypedData(by, TypedMessage.make(message, domain)).pipe(
      Effect.map((text) => Hex.Hex.make(text)),
      // What no contract could read cannot be signed either.
      Effect.orElseSucceed(() => NO_SIGNATURE),
    )

  /** What lost its nonce, and comes once that is final. */
  const late = new Set<string>()
  const sent = Effect.gen(function* () {
    const watched = yield* store.watched(cast.chainId)
    const states = watched.map(({ idempotencyKey, nonce, state }) => `${idempotencyKey} ${nonce} ${state}`)
    return {
      pending: watched.filter(({ state }) => state === "Pending").map(({ idempotencyKey }) => idempotencyKey),
      text: [yield* head, ...states].join(),
    }
  })
  const look = Effect.gen(function* () {
    let before = yield* sent
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      nowMs += LOOK_MS
      yield* sender.look
      const now = yield* sent
      if (now.text === before.text && now.pending.every((key) => late.has(key))) {
        for (const key of late) if (!now.pending.includes(key)) late.delete(key)
        return late.size > 0
      }
      before = now
    }
    return yield* Effect.die("What was sent is not in the chain again.")
  }).pipe(Effect.orDie, still)

  const reorg = Effect.fnUntraced(function* (asked: EvmReorg.Asked) {
    const became = yield* reorgs.reorg(asked)
    for (const key of became.lost) {
      if (asked.kind === "Late") late.add(key)
      else book.giveUp(key)
    }
    return became
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
        Effect.flatMap(Effect.all(Record.map(step.signings, signature)), (made) =>
          Ports.outcome(Ports.act(ports, signed(step.move, made)), made),
        ),
      ),
    head,
    mineAt: node.mineAt,
    after: reorgs.after,
    reorg,
    look,
  }
  return side
})

/** The chain in memory as one side of a trace. */
import { Context, Effect, Layer, Record } from "effect"
import * as Hex from "@guildhall/chain/Hex"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as Keccak from "@guildhall/chain/Keccak"
import * as MemoryChain from "@guildhall/chain/MemoryChain"
import * as Signatures from "@guildhall/chain/memory/Signatures"
import type * as World from "@guildhall/chain/memory/World"
import * as Cast from "./Cast.ts"
import * as Ports from "./Ports.ts"
import * as Prologue from "./Prologue.ts"
import * as Still from "./Still.ts"
import { type ActStep, signed } from "./Step.ts"

export interface MemorySide extends Ports.Side {
  readonly chain: MemoryChain.MemoryChain["Service"]
  /** The hash of the block that has the act on the other side is what a job's draw follows from. */
  readonly act: (step: ActStep, inBlock: Bytes32) => Effect.Effect<Ports.Outcome>
  readonly world: Effect.Effect<World.World>
  readonly nowS: () => number
  readonly goTo: (atS: number) => void
  /** Lets reads be of this side's second. */
  readonly still: <A, E, R>(read: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Of acts that opened no job. */
export const NO_BLOCK = Hex.word(0n)

/** The prologue. The tokens are those of all markets, each of which had its own. */
const begin = Effect.fnUntraced(function* (cast: Cast.Cast, { act, balance, chain, goTo }: MemorySide) {
  const holders = Object.keys(Cast.holdings).flatMap((name) =>
    Object.values(cast.tokens).map((token) => ({ token, account: Cast.of(cast, name) })),
  )
  const held = Effect.forEach(holders, ({ account, token }) => balance(token, account))
  const before = yield* held
  yield* Effect.forEach(Prologue.steps(cast), (step) => Effect.andThen(act(step, NO_BLOCK), Prologue.mustBeDone))
  const after = yield* held
  const others = BigInt(Cast.splits.length - 1)
  for (const [at, { account, token }] of holders.entries()) {
    yield* chain.mint(token, account, ((after[at] ?? 0n) - (before[at] ?? 0n)) * others)
  }
  goTo(Cast.beginS(cast.genesisS))
})

/** A market in memory with the money that it begins with, at the second at which the other side's was deployed. */
export const make = Effect.fnUntraced(function* (cast: Cast.Cast) {
  let nowS = cast.genesisS
  const still = yield* Still.make(() => nowS * 1_000)
  let entropy: string = NO_BLOCK
  const context = yield* still(Layer.build(MemoryChain.layer(Cast.memoryOptions(cast, () => entropy))))
  const chain = Context.get(context, MemoryChain.MemoryChain)
  const ports = yield* Effect.provideContext(Ports.ports, context)
  for (const [name, amount] of Object.entries(Cast.holdings)) {
    for (const token of Object.values(cast.tokens)) {
      yield* chain.mint(token, Cast.of(cast, name), amount)
      if (name !== "payer") yield* chain.allow(token, Cast.of(cast, name), 1n << 255n)
    }
  }
  yield* chain.allow(cast.tokens.usd, Cast.of(cast, "payer"), Cast.ALLOWED)
  yield* chain.block(cast.tokens.blk, Cast.of(cast, "refused"))
  const side: MemorySide = {
    ports,
    chain,
    balance: chain.balance,
    act: ({ move, signings }, inBlock) => {
      const { act } = move
      entropy = "job" in act ? Keccak.ofHex(Hex.concat(inBlock, act.job)) : inBlock
      const made = Record.map(signings, ({ by, domain, message }) => Signatures.sign(domain, by, message))
      return still(Ports.outcome(Ports.act(ports, signed(move, made)), made))
    },
    world: chain.snapshot,
    nowS: () => nowS,
    goTo: (atS) => void (nowS = atS),
    still,
  }
  yield* begin(cast, side)
  return side
})

/** Runs a trace on both sides, and says where they differ first. */
import { Effect } from "effect"
import * as Chance from "@guildhall/tools/Chance"
import type * as World from "@guildhall/chain/memory/World"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as Books from "./Books.ts"
import * as Charges from "./Charges.ts"
import type * as EvmReorg from "./EvmReorg.ts"
import * as EvmSide from "./EvmSide.ts"
import * as Generator from "./Generator.ts"
import * as Look from "./Look.ts"
import type * as Markets from "./Markets.ts"
import * as MemorySide from "./MemorySide.ts"
import { type Hints, noHints } from "./Scene.ts"
import { type ActStep, describe, namesOf, type Step } from "./Step.ts"
import * as Tally from "./Tally.ts"

/** Where the sides differ: after which of the steps, and how. */
export interface Difference {
  readonly steps: ReadonlyArray<Step>
  readonly says: string
}

/** How long a trace is, and how closely it is watched. */
export interface Options {
  readonly market: number
  /** The next step, as the sides stand; undefined where the trace is over. */
  readonly next: (stand: Stand) => Step | undefined
  /** Whether everything is looked at after each step, not only at the end. */
  readonly isWatched: boolean
}

export interface Stand {
  readonly world: World.World
  readonly nowS: number
  readonly hints: Hints
  readonly taken: number
}

/** Of the chain in {@link Node}: so many blocks later an event is posted. */
const CONFIRMATIONS = 2

/** What changes as a trace goes on. */
interface State {
  /** The newest block that the chain in memory knows. */
  followed: number
  /** Whether something comes late. */
  isWaiting: boolean
  /** The job that was opened last, and its block. */
  young: { readonly job: Bytes32; readonly block: number } | undefined
}

/** A trace under way. */
const begin = Effect.fnUntraced(function* (markets: Markets.Markets, market: number) {
  const cast = markets.casts[market % markets.casts.length]
  if (cast === undefined) return yield* Effect.die("There is no market.")
  yield* markets.afresh
  /** The acts so far, by their keys. */
  const acts = new Map<string, ActStep>()
  const contracts = yield* EvmSide.make(markets, cast, (key) => acts.has(key))
  const memory = yield* MemorySide.make(cast)
  const books = yield* Books.make(markets, cast)
  const first = yield* contracts.head
  /** The chain in memory as it stood at the end of each block; it has followed the other one up to the last of them. */
  const worlds = new Map<number, World.World>([[first, yield* memory.world]])
  const state: State = { followed: first, isWaiting: false, young: undefined }
  return { books, cast, contracts, memory, first, worlds, acts, state }
})

type Under = Effect.Success<ReturnType<typeof begin>>

const doAct = Effect.fnUntraced(function* (under: Under, step: ActStep, tally: Tally.Tally) {
  const { acts, contracts, state } = under
  acts.set(step.move.act.idempotencyKey, step)
  const there = yield* contracts.act(step)
  const head = yield* contracts.head
  // A grant has a block before its act. What is late comes after both, and only then.
  while (!state.isWaiting && state.followed + 1 < head) yield* remember(under, state.followed + 1)
  const here = yield* inMemory(under, step, state.followed + 1, there.act?.events[0]?.position.blockHash)
  if (head > state.followed) yield* remember(under, state.followed + 1)
  const { _tag } = step.move.act
  tally.acts++
  Tally.count(tally, here.rule ?? `${step.move.contract}.${_tag}`)
  for (const event of here.act?.events ?? []) Tally.count(tally, `event ${event._tag}`)
  if (here.rule !== undefined) tally.refusals++
  // An amount that nobody has overflows a sum of the contract's before the token says so: both refuse it.
  const isShort = here.rule !== undefined && /: ERC20Insufficient(Balance|Allowance)$/.test(here.rule)
  const isOverflow = isShort && there.rule === `${step.move.contract}: Panic`
  return here.text === there.text || isOverflow ? undefined : `memory:    ${here.text}\n    contracts: ${there.text}`
})

/** Does an act in memory, in the place of a block. */
const inMemory = Effect.fnUntraced(function* (
  { memory, state }: Under,
  step: ActStep,
  block: number,
  blockHash: Bytes32 = MemorySide.NO_BLOCK,
) {
  const { act } = step.move
  if (act._tag === "OpenJob") state.young = { job: act.job, block }
  return yield* memory.act(step, blockHash)
})

const remember = Effect.fnUntraced(function* ({ memory, state, worlds }: Under, number: number) {
  worlds.set(number, yield* memory.world)
  state.followed = number
})

/** The chain in memory does again what came again, in the order in which the blocks have it. */
const replay = Effect.fnUntraced(function* (
  under: Under,
  { isDone, key = "" }: EvmReorg.Included,
  { hash, number }: EvmReorg.Block,
  tally: Tally.Tally,
) {
  const { acts, contracts } = under
  const step = acts.get(key)
  // A grant, or a nonce that was used for nothing.
  if (step === undefined) return undefined
  const here = yield* inMemory(under, step, number, hash)
  tally.sentAgain++
  const name = `${step.move.contract}.${step.move.act._tag}, sent again`
  if ((here.rule === undefined) !== isDone) {
    return `${name}: in memory it was ${here.text}, and on the chain it was ${isDone ? "done" : "refused"}`
  }
  const there = isDone ? yield* contracts.act(step) : here
  return here.text === there.text ? undefined : `${name}\n    memory:    ${here.text}\n    contracts: ${there.text}`
})

/** The chain in memory follows the other one through all blocks that it does not know yet. */
const follow = Effect.fnUntraced(function* (under: Under, tally: Tally.Tally) {
  const { contracts, memory, state } = under
  const nowS = memory.nowS()
  for (const block of yield* contracts.after(state.followed)) {
    memory.goTo(block.atS)
    for (const included of block.transactions) {
      const says = yield* replay(under, included, block, tally)
      if (says !== undefined) return says
    }
    yield* remember(under, block.number)
  }
  memory.goTo(nowS)
  return undefined
})

/** What is late may come with any block. */
const settle = Effect.fnUntraced(function* (under: Under, tally: Tally.Tally) {
  const { contracts, state } = under
  if (!state.isWaiting) return undefined
  const before = tally.sentAgain
  state.isWaiting = yield* contracts.look
  const says = yield* follow(under, tally)
  tally.late += tally.sentAgain - before
  return says
})

/** Both go back; then the chain in memory follows what came instead. */
const reorganise = Effect.fnUntraced(function* (
  under: Under,
  { depth, kind, seed }: Extract<Step, { readonly _tag: "Reorg" }>,
  tally: Tally.Tally,
) {
  const { contracts, first, memory, state, worlds } = under
  const taken = Math.min(depth, state.followed - first)
  const fork = state.followed - taken
  const world = worlds.get(fork)
  if (taken === 0 || world === undefined) return undefined
  yield* memory.chain.restore(world)
  state.followed = fork
  const { lost, moved } = yield* contracts.reorg({ depth: taken, kind, seed, atS: memory.nowS() })
  state.isWaiting = yield* contracts.look
  tally.reorgs[kind]++
  tally.moved += moved
  if (kind === "Dropped") tally.dropped += lost.length
  return yield* follow(under, tally)
})

const take = Effect.fnUntraced(function* (under: Under, step: Step, tally: Tally.Tally) {
  const { books, contracts, memory, state } = under
  tally.steps++
  switch (step._tag) {
    case "Act":
      return (yield* doAct(under, step, tally)) ?? (yield* settle(under, tally))
    case "Wait":
      memory.goTo(memory.nowS() + step.seconds)
      yield* contracts.mineAt(memory.nowS())
      yield* remember(under, state.followed + 1)
      return yield* settle(under, tally)
    case "Reorg":
      return yield* reorganise(under, step, tally)
    case "Read":
      yield* books.read
      return undefined
  }
})

/** All that is late comes, and then all is final. */
const end = Effect.fnUntraced(function* (under: Under, tally: Tally.Tally) {
  const { contracts, memory, state } = under
  for (let blocks = CONFIRMATIONS; blocks > 0; blocks--) {
    yield* contracts.mineAt(memory.nowS())
    yield* remember(under, state.followed + 1)
    if (!state.isWaiting) continue
    const says = yield* settle(under, tally)
    if (says !== undefined) return says
    blocks = CONFIRMATIONS + 1
  }
  return undefined
})

const look = Effect.fnUntraced(function* ({ cast, contracts, memory, state }: Under, hints: Hints, tally: Tally.Tally) {
  const young = state.young?.block === state.followed ? state.young.job : undefined
  const subject = { cast, world: yield* memory.world, hints, nowS: memory.nowS(), young }
  const [here, there] = [yield* memory.still(Look.at(subject, memory)), yield* Look.at(subject, contracts)]
  tally.looked += here.size
  const found = Look.differences(here, there)
  return found.length === 0 ? undefined : found.join("\n  ")
})

/** Both ledgers, once all is final. */
const compareBooks = Effect.fnUntraced(function* ({ books, cast, contracts, memory }: Under, tally: Tally.Tally) {
  yield* books.read
  tally.mirroredBack += books.takenBack()
  const [here, there] = [yield* Books.ofEvents(cast, yield* memory.chain.events(0, 100_000)), yield* books.balances]
  const { agreed, problems } = yield* books.problems
  tally.mirrored += here.size
  tally.reconciled += agreed
  const settled = { cast, events: yield* books.events, ports: contracts.ports }
  const { charges, compared, found: unequal } = yield* Charges.compare(settled)
  tally.charges += charges
  tally.earned += compared
  const found = [...Look.differences(here, there), ...Look.differences(there, here), ...problems, ...unequal]
  return found.length === 0 ? undefined : found.join("\n  ")
})

/** Runs a trace to its end, or to where the sides differ. */
export const run = Effect.fnUntraced(function* (markets: Markets.Markets, options: Options, tally: Tally.Tally) {
  const under = yield* begin(markets, options.market)
  const hints = noHints()
  const steps: Array<Step> = []
  const differ = (says: string): Difference => ({ steps, says })
  for (;;) {
    const stand = { world: yield* under.memory.world, nowS: under.memory.nowS(), hints, taken: steps.length }
    const step = options.next(stand)
    if (step === undefined) break
    steps.push(step)
    const says = yield* take(under, step, tally)
    if (says !== undefined) return differ(says)
    const seen = options.isWatched ? yield* look(under, hints, tally) : undefined
    if (seen !== undefined) return differ(seen)
  }
  tally.traces++
  const seen = (yield* end(under, tally)) ?? (yield* look(under, hints, tally)) ?? (yield* compareBooks(under, tally))
  return seen === undefined ? undefined : differ(seen)
}, Effect.scoped)

/** The trace of a seed: so many steps. */
export const ofSeed = (markets: Markets.Markets, seed: number, length: number): Options => {
  const chance = Chance.make(seed)
  const cast = markets.casts[seed % markets.casts.length]
  return {
    market: seed,
    isWatched: false,
    next: ({ hints, nowS, taken, world }) =>
      taken >= length || cast === undefined
        ? undefined
        : Generator.step({ cast, chance, world, nowS, hints }, `${seed}:${taken}`),
  }
}

/** The same steps again. */
export const ofSteps = (market: number, steps: ReadonlyArray<Step>): Options => ({
  market,
  isWatched: true,
  next: ({ taken }) => steps[taken],
})

/** A difference in words. */
export const report = (markets: Markets.Markets, seed: number, { says, steps }: Difference): string => {
  const cast = markets.casts[seed % markets.casts.length]
  const names = cast === undefined ? new Map<string, string>() : namesOf(cast)
  const lines = steps.map((step, at) => `  ${at + 1}. ${describe(step, names)}`)
  const named = [...names].reduce((text, [address, name]) => text.replaceAll(address, name), says)
  return [`seed ${seed}, after these steps:`, ...lines, `they differ:`, `  ${named}`].join("\n")
}

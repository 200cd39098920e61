/** Runs a trace on both sides, and says where they differ first. */
import { Effect } from "effect"
import * as Chance from "@guildhall/tools/Chance"
import type * as World from "@guildhall/chain/memory/World"
import * as Books from "./Books.ts"
import * as Charges from "./Charges.ts"
import * as EvmSide from "./EvmSide.ts"
import * as Generator from "./Generator.ts"
import * as Look from "./Look.ts"
import type * as Markets from "./Markets.ts"
import * as MemorySide from "./MemorySide.ts"
import { type Hints, noHints } from "./Scene.ts"
import { type ActStep, describe, namesOf, type Step } from "./Step.ts"

/** What traces came to. */
export interface Tally {
  traces: number
  steps: number
  acts: number
  refusals: number
  reorgs: number
  sentAgain: number
  looked: number
  mirrored: number
  reconciled: number
  charges: number
  earned: number
  /** How often each act was done, and each rule refused one. */
  readonly words: Map<string, number>
}

export const tally = (): Tally => ({
  traces: 0,
  steps: 0,
  acts: 0,
  refusals: 0,
  reorgs: 0,
  sentAgain: 0,
  looked: 0,
  mirrored: 0,
  reconciled: 0,
  charges: 0,
  earned: 0,
  words: new Map(),
})

/** What must have happened in a hundred traces. */
const expected = [
  ...["Stake", "RequestUnstake", "Withdraw", "ClaimRewards", "FundRewards", "AppendTiers"].map(
    (act) => `Staking.${act}`,
  ),
  ...["Bond", "BondVerified", "TopUp", "Activate", "RequestUnbond", "Deregister", "Withdraw", "ProposeSlash"].map(
    (act) => `ProviderBond.${act}`,
  ),
  ...["Appeal", "Finalise", "Uphold", "Overturn", "ClaimCredit", "SendToInsurance"].map((act) => `ProviderBond.${act}`),
  ...["Fund", "FundBoost", "RequestUnfund", "CancelUnfund", "Unfund", "AppendTerms", "Settle", "SettleFrom"].map(
    (act) => `Settlement.${act}`,
  ),
  ...["Claim", "ClaimFor", "Redeem", "ProposeEpoch", "CancelEpoch", "ApplyRoot", "ApplyBatch", "ClaimRoot"].map(
    (act) => `Settlement.${act}`,
  ),
  "Settlement.PayMany",
  ...["Deposit", "ProposeClaims", "Claim", "ExpireClaims"].map((act) => `InsurancePool.${act}`),
  ...["Open", "TopUp", "Settle", "Close", "RequestClose", "Withdraw"].map((act) => `Channel.${act}`),
  ...["Staking: CooldownNotOver", "ProviderBond: AppealWindowOpen", "ProviderBond: CooldownNotOver"],
  ...["Settlement: ChallengeDelayOpen", "Settlement: AlreadySettled", "Settlement: InvalidVoucher"],
  ...["Settlement: MissingRole", "RootVault: InvalidProof", "Settlement: NotEnoughFunded", "InvalidInput"],
]

/** What is expected and never happened. */
export const missing = ({ words }: Tally): ReadonlyArray<string> => expected.filter((word) => !words.has(word))

/** What was done, in a line. */
export const figures = (tally: Tally): string => {
  const rules = [...tally.words.keys()].filter((word) => !/^\w+\.\w+$/.test(word)).length
  return [
    `${tally.traces} traces, ${tally.acts} acts, ${tally.refusals} refused by ${rules} rules`,
    `${tally.reorgs} reorganisations with ${tally.sentAgain} transactions sent again`,
    `${tally.looked} figures equal, ${tally.mirrored} mirror accounts, ${tally.reconciled} reconciled`,
    `${tally.charges} charges in the books and ${tally.earned} earnings`,
  ].join("; ")
}

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

const count = (tally: Tally, word: string): void => void tally.words.set(word, (tally.words.get(word) ?? 0) + 1)

/** A trace under way. */
const begin = Effect.fnUntraced(function* (markets: Markets.Markets, market: number) {
  const cast = markets.casts[market % markets.casts.length]
  if (cast === undefined) return yield* Effect.die("There is no market.")
  yield* markets.afresh
  const contracts = yield* EvmSide.make(markets, cast)
  const memory = yield* MemorySide.make(cast)
  const books = yield* Books.make(markets, cast)
  const first = yield* contracts.head
  /** The chain in memory as it stood at the end of each block. */
  const worlds = new Map<number, World.World>()
  /** Which act each transaction is of. */
  const sent = new Map<string, ActStep>()
  const remember = Effect.gen(function* () {
    worlds.set(yield* contracts.head, yield* memory.world)
  })
  yield* remember
  return { books, cast, contracts, memory, first, worlds, sent, remember }
})

type Under = Effect.Success<ReturnType<typeof begin>>

const doAct = Effect.fnUntraced(function* ({ contracts, memory, remember, sent }: Under, step: ActStep, tally: Tally) {
  const here = yield* memory.act(step)
  const there = yield* contracts.act(step)
  if (there.act !== undefined) sent.set(there.act.transaction, step)
  yield* remember
  const { _tag } = step.move.act
  tally.acts++
  count(tally, here.rule ?? `${step.move.contract}.${_tag}`)
  if (here.rule !== undefined) tally.refusals++
  // An amount that no token has overflows a sum of the contract's before the contract comes to the rule: both refuse it.
  const isOverflow = here.rule !== undefined && there.rule === `${step.move.contract}: Panic`
  return here.text === there.text || isOverflow ? undefined : `memory:    ${here.text}\n    contracts: ${there.text}`
})

/** Both go back; then the chain in memory does again what the sender sent again, in the order in which the blocks have it. */
const reorganise = Effect.fnUntraced(function* (under: Under, depth: number, tally: Tally) {
  const { contracts, first, memory, sent, worlds } = under
  const head = yield* contracts.head
  const taken = Math.min(depth, head - first)
  const world = worlds.get(head - taken)
  if (taken === 0 || world === undefined) return undefined
  const nowS = memory.nowS()
  yield* memory.chain.restore(world)
  const blocks = yield* contracts.reorg(taken, nowS)
  tally.reorgs++
  for (const { atS, number, transactions } of blocks) {
    memory.goTo(atS)
    for (const { hash, isDone } of transactions) {
      const step = sent.get(hash)
      if (step === undefined) return `Nobody sent the transaction ${hash} of block ${number}.`
      const { text, rule } = yield* memory.act(step)
      tally.sentAgain++
      if ((rule === undefined) === isDone) continue
      return `${step.move.contract}.${step.move.act._tag}, sent again: in memory it was ${text}, and on the chain it was ${isDone ? "done" : "refused"}`
    }
    worlds.set(number, yield* memory.world)
  }
  memory.goTo(nowS)
  return undefined
})

const take = Effect.fnUntraced(function* (under: Under, step: Step, tally: Tally) {
  const { contracts, memory, remember } = under
  tally.steps++
  switch (step._tag) {
    case "Act":
      return yield* doAct(under, step, tally)
    case "Wait":
      memory.goTo(memory.nowS() + step.seconds)
      yield* contracts.mineAt(memory.nowS())
      yield* remember
      return undefined
    case "Reorg":
      return yield* reorganise(under, step.depth, tally)
    case "Read":
      yield* under.books.read
      return undefined
  }
})

const look = Effect.fnUntraced(function* ({ cast, contracts, memory }: Under, hints: Hints, tally: Tally) {
  const subject = { cast, world: yield* memory.world, hints, nowS: memory.nowS() }
  const [here, there] = [yield* memory.still(Look.at(subject, memory)), yield* Look.at(subject, contracts)]
  tally.looked += here.size
  const found = Look.differences(here, there)
  return found.length === 0 ? undefined : found.join("\n  ")
})

/** Both ledgers, once all is final. */
const compareBooks = Effect.fnUntraced(function* ({ books, cast, contracts, memory }: Under, tally: Tally) {
  for (let block = 0; block < 2; block++) yield* contracts.mineAt(memory.nowS())
  yield* books.read
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
export const run = Effect.fnUntraced(function* (markets: Markets.Markets, options: Options, tally: Tally) {
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
  const seen = (yield* look(under, hints, tally)) ?? (yield* compareBooks(under, tally))
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

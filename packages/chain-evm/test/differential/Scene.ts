/** What the next step of a trace is chosen from: who is there, how the contracts in memory stand, and what was promised before. */
import { type Address, ZERO } from "@guildhall/chain/Address"
import type { Earned } from "@guildhall/chain/CumulativeTree"
import type { Entry } from "@guildhall/chain/Entries"
import * as Hex from "@guildhall/chain/Hex"
import type * as World from "@guildhall/chain/memory/World"
import type { Domain, Message } from "@guildhall/chain/Message"
import type * as Chance from "@guildhall/tools/Chance"
import * as Cast from "./Cast.ts"
import type { Part } from "./Edges.ts"
import type { Draft, Signing, Step } from "./Step.ts"

/** A root that was proposed, with what it promises to whom. */
export interface Promised {
  readonly token: Address
  readonly epoch: number
  readonly root: Hex.Bytes32
  readonly leaves: ReadonlyArray<Earned>
  readonly proofs: ReadonlyArray<ReadonlyArray<Hex.Bytes32>>
}

/** What an incident's claims promise. */
export interface Incident {
  readonly epoch: number
  readonly incident: Hex.Bytes32
  readonly leaves: ReadonlyArray<Entry>
  readonly proofs: ReadonlyArray<ReadonlyArray<Hex.Bytes32>>
}

/** A second, and what to try about it. */
export interface Edge {
  readonly atS: number
  readonly acts: (scene: Scene) => ReadonlyArray<Draft | Plan>
}

/** What to wait for; undefined where that has become impossible. */
export type Plan = (scene: Scene) => Edge | undefined

/** What the contracts do not keep, and acts need. */
export interface Hints {
  readonly roots: Array<Promised>
  readonly batches: Array<{ readonly token: Address; readonly epoch: number; readonly entries: ReadonlyArray<Entry> }>
  readonly incidents: Array<Incident>
  readonly votes: Array<{ readonly job: Hex.Bytes32; readonly validator: Address; readonly verdict: Hex.Bytes32 }>
  /** The part of the market that a trace is mostly about. */
  favourite: Part | undefined
  /** What should come next, now that its time has come; or what to wait for then. */
  readonly next: Array<Draft | Plan>
  /** What comes before that. */
  readonly steps: Array<Step>
  count: number
}

export const noHints = (): Hints => ({
  roots: [],
  batches: [],
  incidents: [],
  votes: [],
  favourite: undefined,
  next: [],
  steps: [],
  count: 0,
})

export interface Scene {
  readonly cast: Cast.Cast
  readonly chance: Chance.Chance
  readonly world: World.World
  readonly nowS: number
  readonly hints: Hints
}

/** One of some, or nothing where there are none. */
export const one = <A>({ chance }: Pick<Scene, "chance">, all: ReadonlyArray<A>): A | undefined =>
  all[chance.below(all.length)]

/** One of some, by weight. */
export const weighted = <A>({ chance }: Pick<Scene, "chance">, all: ReadonlyArray<readonly [number, A]>): A => {
  const total = all.reduce((sum, [weight]) => sum + weight, 0)
  let left = chance.below(total)
  for (const [weight, option] of all) {
    if (left < weight) return option
    left -= weight
  }
  throw new Error("There is nothing to choose from.")
}

export const member = (scene: Scene): Address => Cast.of(scene.cast, one(scene, Cast.members) ?? "ann")

/** Anybody but the payer, whose allowance must last for what the operator takes. */
export const anyone = (scene: Scene): Address => {
  const name = one(scene, [...Cast.members, ...Cast.others, ...Cast.roleNames]) ?? "ann"
  return Cast.of(scene.cast, name === "payer" ? "ann" : name)
}

/** The holder of a role; now and then somebody else. */
export const holder = (scene: Scene, role: string): Address =>
  scene.chance.percent(94) ? Cast.of(scene.cast, role) : anyone(scene)

/** The one who should act; now and then somebody else. */
export const mostly = (scene: Scene, address: Address | undefined): Address =>
  address !== undefined && address !== ZERO && scene.chance.percent(90) ? address : anyone(scene)

export const token = (scene: Scene): Address =>
  weighted(scene, [
    [6, scene.cast.tokens.usd],
    [3, scene.cast.tokens.blk],
    [1, scene.cast.tokens.stake],
  ])

const EXTREMES = [0n, 0n, 1n, (1n << 88n) - 1n, 1n << 88n, (1n << 96n) - 1n, 1n << 96n, (1n << 128n) - 1n, 1n << 128n]

/** An amount with odd digits, of a length that chance chooses. */
const odd = ({ chance }: Scene): bigint => {
  let digits = ""
  for (let left = chance.between(1, 9); left > 0; left--) digits += chance.between(digits === "" ? 1 : 0, 9)
  return BigInt(digits)
}

/** An amount: any, or one about another that matters; now and then nothing, or the most that a field holds. */
export const amount = (scene: Scene, about?: bigint): bigint => {
  const { chance } = scene
  if (chance.percent(5)) return one(scene, EXTREMES) ?? 0n
  if (about === undefined || about <= 0n || chance.percent(30)) return odd(scene)
  return (
    one(scene, [about, about, about - 1n, about + 1n, about / 2n, about / 3n + 1n, (about * 9_999n) / 10_001n]) ?? 1n
  )
}

/** Thirty-two bytes that stand for a thing of this trace. */
export const name = (kind: number, number: number): Hex.Bytes32 =>
  Hex.word((BigInt(kind) << 240n) + BigInt(number) + 1n)

/** A name that was not used before. */
export const fresh = (scene: Scene, kind: number): Hex.Bytes32 => name(kind, 1_000 + scene.hints.count++)

/** A second about one that matters: just before it, it, or just after. */
export const about = ({ chance }: Scene, atS: number): number => Math.max(0, atS + chance.between(-1, 1))

/** A signature of who should sign; now and then of another, of something else, or for another contract or chain. */
export const signing = (scene: Scene, by: Address, message: Message, other: Message, domain: Domain): Signing => {
  const right: Signing = { by, message, domain }
  return weighted<() => Signing>(scene, [
    [88, () => right],
    [4, () => ({ ...right, by: anyone(scene) })],
    [4, () => ({ ...right, message: other })],
    [2, () => ({ ...right, domain: { ...domain, chainId: domain.chainId + 1 } })],
    [2, () => ({ ...right, domain: { ...domain, contract: scene.cast.contracts.RootVault } })],
  ])()
}

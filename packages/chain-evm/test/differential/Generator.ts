/** The next step of a trace. It follows from the seed, and from how the chain in memory stands. */
import * as BondActs from "./BondActs.ts"
import * as ChannelActs from "./ChannelActs.ts"
import * as Edges from "./Edges.ts"
import * as InsuranceActs from "./InsuranceActs.ts"
import { one, type Scene, weighted } from "./Scene.ts"
import * as Reorg from "./Reorg.ts"
import * as SettlementActs from "./SettlementActs.ts"
import * as StakeActs from "./StakeActs.ts"
import { act, type Draft, type Step } from "./Step.ts"

/** The deepest reorganisation of a trace; less than the finality of its chain. */
export const DEPTH_MAX = 5

const DAY_S = 86_400

/** Time to the next edge, one second before or after it, or to anywhere. What the edge is about comes next. */
const wait = (scene: Scene): Step => {
  const { chance, hints, nowS } = scene
  const edge = chance.percent(80) ? one(scene, Edges.ahead(scene)) : undefined
  if (edge === undefined) {
    return { _tag: "Wait", seconds: one(scene, [1, 1, 60, 3_600, DAY_S, 3 * DAY_S, 8 * DAY_S, 31 * DAY_S]) ?? 1 }
  }
  const toS = edge.atS + chance.between(-1, 1)
  hints.next.push(...edge.acts({ ...scene, nowS: toS }))
  return { _tag: "Wait", seconds: toS - nowS }
}

/** Where the index has read on just before, it has to take back what it read. */
const reorg = (scene: Scene): Step => {
  const { chance, hints } = scene
  const step: Step = {
    _tag: "Reorg",
    depth: chance.between(1, DEPTH_MAX),
    kind: one(scene, Reorg.kinds) ?? "Again",
    seed: chance.below(1_000_000),
  }
  if (chance.percent(50)) return step
  hints.steps.push(step)
  return { _tag: "Read" }
}

const draft = (scene: Scene): Draft =>
  weighted(scene, [
    [20, StakeActs.draft],
    [28, BondActs.draft],
    [36, SettlementActs.draft],
    [10, InsuranceActs.draft],
    [10, ChannelActs.draft],
  ])(scene)

/** A step. `key` is that of its act, where it is one. */
export const step = (scene: Scene, key: string): Step => {
  const { hints } = scene
  const planned = hints.steps.shift()
  if (planned !== undefined) return planned
  const next = hints.next.shift()
  if (next !== undefined) return act(next, key)
  return weighted<() => Step>(scene, [
    [70, () => act(draft(scene), key)],
    [17, () => wait(scene)],
    [4, () => ({ _tag: "Read" })],
    [4, () => reorg(scene)],
  ])()
}

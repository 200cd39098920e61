/** The next step of a trace. It follows from the seed, and from how the chain in memory stands. */
import * as BondActs from "./BondActs.ts"
import * as ChannelActs from "./ChannelActs.ts"
import * as Edges from "./Edges.ts"
import * as InsuranceActs from "./InsuranceActs.ts"
import { type Edge, one, type Scene, weighted } from "./Scene.ts"
import * as Reorg from "./Reorg.ts"
import * as SettlementActs from "./SettlementActs.ts"
import * as StakeActs from "./StakeActs.ts"
import * as ValidatorActs from "./ValidatorActs.ts"
import { act, type Draft, type Step } from "./Step.ts"

/** The deepest reorganisation of a trace; less than the finality of its chain. */
export const DEPTH_MAX = 5

const DAY_S = 86_400

/** So many of the edges ahead are near. */
const NEAR = 2

type Drafting = (scene: Scene) => Draft

/** Time to an edge, or one second less or more. What the edge is about comes next. */
const until = (scene: Scene, { acts, atS }: Edge): Step => {
  const toS = atS + scene.chance.between(-1, 1)
  scene.hints.next.unshift(...acts({ ...scene, nowS: toS }))
  return { _tag: "Wait", seconds: toS - scene.nowS }
}

/** Time to one of the next edges, or to anywhere. */
const wait = (scene: Scene): Step => {
  const { chance, hints } = scene
  const part = weighted(scene, [
    [70, hints.favourite ?? "pauses"],
    [30, any(scene).part],
  ])
  // Those that come first, so that no time goes by in which something else would have had to be done.
  const edges = Edges.ahead(scene, part).toSorted((one, other) => one.atS - other.atS)
  const edge = chance.percent(90) ? one(scene, edges.slice(0, NEAR)) : undefined
  if (edge !== undefined) return until(scene, edge)
  return { _tag: "Wait", seconds: one(scene, [1, 1, 60, 3_600, DAY_S, 3 * DAY_S, 8 * DAY_S, 31 * DAY_S]) ?? 1 }
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

const drafts: ReadonlyArray<{ readonly part: Edges.Part; readonly weight: number; readonly draft: Drafting }> = [
  { part: "stakes", weight: 16, draft: StakeActs.draft },
  { part: "bonds", weight: 28, draft: BondActs.draft },
  { part: "settlements", weight: 34, draft: SettlementActs.draft },
  { part: "insurances", weight: 12, draft: InsuranceActs.draft },
  { part: "channels", weight: 10, draft: ChannelActs.draft },
  { part: "validators", weight: 24, draft: ValidatorActs.draft },
]

const any = (scene: Scene) =>
  weighted(
    scene,
    drafts.map((one) => [one.weight, one] as const),
  )

/** Most of a trace is about one part of the market, so that it goes through what takes many acts. */
const draft = (scene: Scene): Draft => {
  const { chance, hints } = scene
  const favourite = drafts.find(({ part }) => part === hints.favourite)
  return (favourite !== undefined && chance.percent(60) ? favourite : any(scene)).draft(scene)
}

/** A step. `key` is that of its act, where it is one. */
export const step = (scene: Scene, key: string): Step => {
  const { hints } = scene
  hints.favourite ??= any(scene).part
  const planned = hints.steps.shift()
  if (planned !== undefined) return planned
  for (let next = hints.next.shift(); next !== undefined; next = hints.next.shift()) {
    if (typeof next !== "function") return act(next, key)
    const edge = next(scene)
    if (edge !== undefined && edge.atS > scene.nowS + 1) return until(scene, edge)
  }
  return weighted<() => Step>(scene, [
    [70, () => act(draft(scene), key)],
    [25, () => wait(scene)],
    [4, () => ({ _tag: "Read" })],
    [4, () => reorg(scene)],
  ])()
}

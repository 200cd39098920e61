/** Acts of who pays into the pool, promises its money and claims it. */
import * as HashMap from "effect/HashMap"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as Checkpoints from "@guildhall/chain/memory/Checkpoints"
import * as InsuranceVault from "@guildhall/chain/InsuranceVault"
import { amount, anyone, holder, type Incident, member, name, one, type Scene, weighted } from "./Scene.ts"
import type { Draft } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "InsurancePool" }>["act"]

const propose = (scene: Scene): Act => {
  const { cast, chance, hints, nowS, world } = scene
  const { epochCapBps, epochLengthS } = world.insurance.terms
  const epoch = Math.floor(nowS / epochLengthS) + (chance.percent(92) ? 0 : chance.between(-1, 1))
  const incident = name(0x1c, chance.below(4))
  const cap = (Checkpoints.latest(world.insurance.free) * BigInt(epochCapBps)) / 10_000n
  const leaves = Array.from({ length: chance.between(1, 4) }, () => ({
    account: member(scene),
    amount: chance.percent(70) ? BigInt(chance.between(1, 9_999)) : amount(scene, cap / 5n),
  }))
  const domain = { chainId: cast.chainId, contract: cast.contracts.InsurancePool }
  const hashes = leaves.map((leaf) =>
    InsuranceVault.leaf(domain, { epoch, incident, account: leaf.account, amount: leaf.amount % (1n << 128n) }),
  )
  const { proofs, root } = CumulativeTree.ofLeaves(hashes)
  hints.incidents.push({ epoch, incident, leaves, proofs })
  const sum = leaves.reduce((total, leaf) => total + leaf.amount, 0n)
  const total = chance.percent(75) ? sum : amount(scene, sum)
  return { _tag: "ProposeClaims", by: holder(scene, "adjuster"), epoch, incident, root, total }
}

/** A claim of one of those that an incident's root names. */
export const claim = (scene: Scene, { epoch, incident, leaves, proofs }: Incident): Act => {
  const { chance } = scene
  const at = chance.below(leaves.length)
  const leaf = leaves[at] ?? { account: member(scene), amount: 1n }
  return {
    _tag: "Claim",
    by: anyone(scene),
    epoch,
    incident,
    account: chance.percent(96) ? leaf.account : member(scene),
    amount: chance.percent(96) ? leaf.amount : leaf.amount + 1n,
    proof: proofs[chance.percent(96) ? at : chance.below(leaves.length)] ?? [],
  }
}

/** An act. */
export const draft = (scene: Scene): Draft => {
  const { claims } = scene.world.insurance
  const standing = scene.hints.incidents.filter(({ epoch, incident }) => HashMap.has(claims, `${epoch} ${incident}`))
  const known = one(scene, standing.length > 0 && scene.chance.percent(85) ? standing : scene.hints.incidents)
  const { epoch, incident } = known ?? { epoch: 0, incident: name(0x1c, 0) }
  const rest = standing.length === 0 ? 1 : 10
  const act = weighted<() => Act>(scene, [
    [10, () => ({ _tag: "Deposit", by: member(scene), amount: amount(scene) })],
    [14, () => propose(scene)],
    [rest / 2, () => ({ _tag: "CancelClaims", by: holder(scene, "challenger"), epoch, incident })],
    [known === undefined ? 0 : 2 * rest, () => (known === undefined ? propose(scene) : claim(scene, known))],
    [rest / 2, () => ({ _tag: "ExpireClaims", by: anyone(scene), epoch, incident })],
    [1, () => ({ _tag: "Pause", by: holder(scene, "pauser") })],
    [1, () => ({ _tag: "Unpause", by: holder(scene, "pauser") })],
  ])()
  return { contract: "InsurancePool", act }
}

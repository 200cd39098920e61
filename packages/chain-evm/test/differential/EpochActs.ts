/** Acts by which epochs are netted, proposed, applied and claimed. */
import type { Address } from "@guildhall/chain/Address"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as Entries from "@guildhall/chain/Entries"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as SettlementState from "@guildhall/chain/memory/SettlementState"
import * as Division from "@guildhall/core/rules/Division"
import { amount, anyone, holder, member, name, one, type Promised, type Scene, weighted } from "./Scene.ts"
import type { Draft } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "Settlement" }>["act"]

const ENTRY_MAX = 1n << 96n

interface Earning {
  readonly account: Address
  readonly gross: bigint
  readonly boost: bigint
}

/** What some members earned in an epoch, most of it within what is funded. */
const earnings = (scene: Scene, token: Address): ReadonlyArray<Earning> => {
  const { chance, world } = scene
  const { boostPool, funded } = SettlementState.bookOf(world.settlement, token).totals
  const accounts = new Set(Array.from({ length: chance.between(1, 5) }, () => member(scene)))
  const few = BigInt(accounts.size)
  return [...accounts].map((account) => ({
    account,
    gross: (chance.percent(50) ? amount(scene, funded / few) : BigInt(chance.between(1, 9_999))) % ENTRY_MAX,
    boost: chance.percent(40) ? amount(scene, boostPool / few) % (1n << 80n) : 0n,
  }))
}

/** The leaves of the root that counts now: a new root goes on from them. */
const standing = ({ hints, world }: Scene, token: Address): ReadonlyArray<CumulativeTree.Earned> => {
  const { root } = SettlementState.bookOf(world.settlement, token)
  return hints.roots.find((promised) => promised.token === token && promised.root === root)?.leaves ?? []
}

const ofRoot = (scene: Scene, token: Address, epoch: number, nets: ReadonlyArray<Entries.Entry>) => {
  const { cast, chance, hints } = scene
  const sums = new Map(standing(scene, token).map(({ account, cumulative }) => [account, cumulative]))
  // Now and then it promises more than there is.
  const more = chance.percent(12) ? amount(scene) % 1_000_000n : 0n
  for (const [at, { account, amount: net }] of nets.entries()) {
    sums.set(account, (sums.get(account) ?? 0n) + net + (at === 0 ? more : 0n))
  }
  const leaves = [...sums].map(([account, cumulative]) => ({ account, cumulative }))
  const tree = CumulativeTree.make({ chainId: cast.chainId, contract: cast.contracts.RootVault, token }, leaves)
  hints.roots.push({ token, epoch, leaves, ...tree })
  return tree.root
}

const ofBatch = (scene: Scene, token: Address, epoch: number, nets: ReadonlyArray<Entries.Entry>) => {
  const { chance, hints } = scene
  const paid = nets.filter((entry) => entry.amount > 0n || chance.percent(10))
  const entries = chance.percent(88)
    ? paid
    : paid.map((entry, at) => ({
        ...entry,
        amount: at === 0 ? (entry.amount + BigInt(chance.between(1, 3))) % ENTRY_MAX : entry.amount,
      }))
  hints.batches.push({ token, epoch, entries })
  return Entries.commitment(entries)
}

/** A proposal of an epoch, mostly one that is just over. */
export const propose = (scene: Scene, token: Address): Act => {
  const { chance, nowS, world } = scene
  const current = SettlementState.epochAt(world.settlement, nowS)
  const epoch = Math.max(0, current - 1 + (chance.percent(90) ? 0 : chance.between(-2, 1)))
  const division = SettlementState.divisionOf(SettlementState.termsAt(world.settlement, epoch))
  const earned = earnings(scene, token)
  const gross = earned.reduce((sum, one) => sum + one.gross, 0n)
  const boost = earned.reduce((sum, one) => sum + one.boost, 0n)
  // Each provider's part is rounded once, in its claim.
  const nets = earned.map((one) => ({
    account: one.account,
    amount: (Division.part(one.gross, division.providerBps) + one.boost) % ENTRY_MAX,
  }))
  const kind = chance.percent(50) ? "Root" : "Batch"
  const commitment = kind === "Root" ? ofRoot(scene, token, epoch, nets) : ofBatch(scene, token, epoch, nets)
  return { _tag: "ProposeEpoch", by: holder(scene, "operator"), token, epoch, kind, commitment, gross, boost }
}

/** Applies the epoch that waits, or one that does not. */
export const apply = (scene: Scene, token: Address): Act => {
  const { chance, hints, world } = scene
  const { proposal } = SettlementState.bookOf(world.settlement, token)
  const epoch = chance.percent(95) ? proposal.epoch : proposal.epoch + 1
  const isRoot = (proposal.kind === "Root") === chance.percent(95)
  if (isRoot) return { _tag: "ApplyRoot", by: anyone(scene), token, epoch }
  const right = hints.batches.findLast(
    (batch) => batch.token === token && Entries.commitment(batch.entries) === proposal.commitment,
  )
  const entries = (chance.percent(95) ? right : one(scene, hints.batches))?.entries ?? []
  return { _tag: "ApplyBatch", by: anyone(scene), token, epoch, entries }
}

export const cancel = (scene: Scene, token: Address): Act => {
  const { epoch } = SettlementState.bookOf(scene.world.settlement, token).proposal
  return { _tag: "CancelEpoch", by: holder(scene, "challenger"), token, epoch }
}

/** A claim of one that a root names: mostly of the root that counts, or is about to. */
export const claim = (scene: Scene, token: Address, about?: Bytes32): Act => {
  const { chance, hints, world } = scene
  const root = about ?? SettlementState.bookOf(world.settlement, token).root
  const right = hints.roots.findLast((promised) => promised.token === token && promised.root === root)
  const none: Promised = { token, epoch: 0, root, leaves: [], proofs: [] }
  const promised = (chance.percent(92) ? right : one(scene, hints.roots)) ?? none
  const at = chance.below(promised.leaves.length)
  const leaf = promised.leaves[at] ?? { account: member(scene), cumulative: amount(scene) }
  const cumulative = chance.percent(95) ? leaf.cumulative : leaf.cumulative + 1n
  const proof = promised.proofs[chance.percent(95) ? at : 0] ?? [name(0x99, 0)]
  const account = chance.percent(96) ? leaf.account : member(scene)
  return { _tag: "ClaimRoot", by: anyone(scene), token, account, cumulative, proof }
}

/** An act. */
export const draft = (scene: Scene, token: Address): Act => {
  const { proposal, root } = SettlementState.bookOf(scene.world.settlement, token)
  const waits = proposal.kind !== "None"
  return weighted<() => Act>(scene, [
    [waits ? 2 : 14, () => propose(scene, token)],
    [waits ? 3 : 1, () => cancel(scene, token)],
    [waits ? 10 : 1, () => apply(scene, token)],
    [BigInt(root) === 0n ? 1 : 12, () => claim(scene, token)],
  ])()
}

/**
 * What chain events say of who may serve and how they rank: the tier of a wallet's stake, and whether a device's bond is active.
 * A fold of final events, kept in memory and read anew after a fork; routing hears of it as directory events, and never asks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import type { ChainEvent } from "@guildhall/chain/ChainEvent"
import type { Bytes32 } from "@guildhall/chain/Hex"
import type { InstanceId } from "@guildhall/core/Instance"
import type { Rating, TierPriority } from "@guildhall/core/Rating"
import * as Tier from "@guildhall/core/rules/Tier"
import type { Decode } from "./EventDecoder.ts"
import type { IndexError } from "./IndexError.ts"
import { BEGINNING, type IndexStore, type Place } from "./IndexStore.ts"

/** From a second on, so much stake was active. @category models @since 0.1.0 */
export interface StakeAt {
  readonly atS: number
  readonly active: bigint
}

/** A table of tiers, and the second from which it counts. @category models @since 0.1.0 */
export interface TierTable {
  readonly activatesAtS: number
  readonly tiers: ReadonlyArray<{
    readonly minStake: bigint
    readonly multiplierBps: number
    readonly priority: number
  }>
}

/**
 * A device's bond: whose it is, what is left of it, and how it stands.
 *
 * @category models
 * @since 0.1.0
 */
export interface BondStanding {
  readonly provider: Address
  readonly classId: number
  readonly bonded: bigint
  readonly isActive: boolean
}

/**
 * Everything that the events said so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly stakes: ReadonlyMap<Address, ReadonlyArray<StakeAt>>
  readonly bonds: ReadonlyMap<Bytes32, BondStanding>
  readonly minimums: ReadonlyMap<number, bigint>
  readonly tables: ReadonlyArray<TierTable>
}

/** Before the first event. @category constants @since 0.1.0 */
export const empty: State = { stakes: new Map(), bonds: new Map(), minimums: new Map(), tables: [] }

interface Folding {
  readonly stakes: Map<Address, Array<StakeAt>>
  readonly bonds: Map<Bytes32, BondStanding>
  readonly minimums: Map<number, bigint>
  readonly tables: Array<TierTable>
}

const folding = (): Folding => ({ stakes: new Map(), bonds: new Map(), minimums: new Map(), tables: [] })

/** So many changes of one wallet's stake are kept: who makes more within the minimum time counts as newer than it is. */
const CHANGES_MAX = 1_000

const stake = ({ stakes }: Folding, account: Address, active: bigint, atS: number): void => {
  const known = stakes.get(account) ?? []
  // What was within one second does not count beside what was at its end.
  const kept = known.at(-1)?.atS === atS ? known.slice(0, -1) : known
  stakes.set(account, [...kept.slice(1 - CHANGES_MAX), { atS, active }])
}

const lastStake = ({ stakes }: Folding, account: Address): bigint => stakes.get(account)?.at(-1)?.active ?? 0n

const bond = (
  { bonds }: Folding,
  device: Bytes32,
  change: (known: BondStanding) => Partial<Pick<BondStanding, "bonded" | "isActive">>,
): void => {
  const known = bonds.get(device)
  if (known !== undefined) bonds.set(device, { ...known, ...change(known) })
}

const apply = (state: Folding, event: ChainEvent): void => {
  const { atS } = event.position
  switch (event._tag) {
    case "Staking.Staked":
    case "Staking.UnstakeCancelled":
      return stake(state, event.account, event.active, atS)
    case "Staking.UnstakeRequested":
      return stake(state, event.account, lastStake(state, event.account) - event.amount, atS)
    case "Staking.TiersAppended":
      return void state.tables.push({ activatesAtS: event.activatesAt, tiers: event.tiers })
    case "ProviderBond.ClassAppended":
      return void state.minimums.set(event.classId, event.minimum)
    case "ProviderBond.Bonded": {
      const { amount: bonded, classId, provider } = event
      return void state.bonds.set(event.device, { provider, classId, bonded, isActive: false })
    }
    case "ProviderBond.ToppedUp":
      return bond(state, event.device, () => ({ bonded: event.bonded }))
    case "ProviderBond.SlashProposed":
      return bond(state, event.device, ({ bonded }) => ({ bonded: bonded - event.amount }))
    case "ProviderBond.SlashOverturned":
    case "ProviderBond.SlashLapsed":
      return bond(state, event.device, ({ bonded }) => ({ bonded: bonded + event.amount }))
    case "ProviderBond.Activated":
      return bond(state, event.device, () => ({ isActive: true }))
    case "ProviderBond.Displaced":
    case "ProviderBond.UnbondRequested":
    case "ProviderBond.Deregistered":
    case "ProviderBond.Withdrawn":
      return bond(state, event.device, () => ({ isActive: false }))
    default:
      return undefined
  }
}

/**
 * What events say, in their order.
 *
 * @category rules
 * @since 0.1.0
 */
export const fold = (events: Iterable<ChainEvent>): State => {
  const state = folding()
  for (const event of events) apply(state, event)
  return state
}

const stakeAt = (stakes: ReadonlyArray<StakeAt>, atS: number): bigint =>
  stakes.findLast((stake) => stake.atS <= atS)?.active ?? 0n

/**
 * The tier of a wallet at a second of the chain, by the stake that was active for the minimum time; undefined where no table of
 * tiers counts, or its first tier is not reached.
 *
 * @category rules
 * @since 0.1.0
 */
export const tierAt = (
  { stakes, tables }: State,
  wallet: Address,
  at: { readonly nowS: number; readonly minActiveS: number },
): TierTable["tiers"][number] | undefined => {
  const table = tables.findLast(({ activatesAtS }) => activatesAtS <= at.nowS)
  if (table === undefined) return undefined
  const own = stakes.get(wallet) ?? []
  const aged = Tier.aged(stakeAt(own, at.nowS), stakeAt(own, at.nowS - at.minActiveS))
  return Tier.of(table.tiers, aged)?.tier
}

/** The chain says a place in routing by its number. */
const priorities: ReadonlyArray<TierPriority> = ["overflow", "normal", "preferred", "guaranteed"]

/**
 * An instance, the wallet of its owner, and the hash of its device's public key, as the registry knows them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Served {
  readonly instanceId: InstanceId
  readonly wallet: Address | undefined
  readonly device: Bytes32 | undefined
}

/**
 * Whether a device's bond is active, and no less than its class asks for: a slash may have taken of it.
 *
 * @category rules
 * @since 0.1.0
 */
export const isBonded = ({ bonds, minimums }: State, device: Bytes32): boolean => {
  const known = bonds.get(device)
  return known !== undefined && known.isActive && known.bonded >= (minimums.get(known.classId) ?? 0n)
}

/**
 * What routing is to know of an instance. A bond counts for its device, and, where the wallet is known, if it is that wallet's.
 *
 * @category rules
 * @since 0.1.0
 */
export const ratingOf = (
  state: State,
  { device, wallet }: Served,
  at: { readonly nowS: number; readonly minActiveS: number },
): Pick<Rating, "tier" | "bonded"> => {
  const isOwn = (id: Bytes32) => wallet === undefined || state.bonds.get(id)?.provider === wallet
  const bonded = device !== undefined && isBonded(state, device) && isOwn(device)
  const tier = wallet === undefined ? undefined : tierAt(state, wallet, at)
  if (tier === undefined) return { bonded }
  const priority = priorities[tier.priority] ?? "overflow"
  return { bonded, tier: { priority, weightBps: Math.min(tier.multiplierBps, 1_000_000_000) } }
}

/**
 * A standing that is kept up to date. `refresh` reads what is final and new, everything again after a fork, and answers the
 * state; `current` is what was last read, for whoever must not wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Standing {
  readonly refresh: Effect.Effect<State, IndexError>
  readonly current: () => State
}

/** So many events are read at a time. */
const PAGE = 1_000

/**
 * Keeps the standing of an index's events in this process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (store: IndexStore, decode: Decode): Standing => {
  let state = folding()
  let place: Place = BEGINNING.place
  let forks = 0

  const refresh = Effect.gen(function* () {
    const cursor = yield* store.cursor
    if (cursor === null) return state
    if (cursor.forks !== forks) {
      // Events that were read may be gone: what is left is read again, aside, so that nobody sees a half of it.
      forks = cursor.forks
      place = BEGINNING.place
      state = folding()
    }
    for (;;) {
      const logs = yield* store.logs({ after: place, isFinal: true, limit: PAGE })
      const last = logs.at(-1)
      if (last === undefined) return state
      for (const log of logs) {
        const event = decode(log)
        if (event !== undefined) apply(state, event)
      }
      place = last
    }
  })

  let shown: State = empty
  return {
    // One at a time is enough: the loop that calls it is one.
    refresh: Effect.tap(refresh, (read) => Effect.sync(() => void (shown = read))),
    current: () => shown,
  }
}

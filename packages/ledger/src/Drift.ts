/**
 * Where the ledger and a rail do not agree, item by item. Pure: two lists go in, the differences come out.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { Amount } from "@guildhall/core/Money"
import type { Movement } from "./Movement.ts"
import { groups, type Group } from "./internal/MovementGroups.ts"

/**
 * What can differ.
 *
 * - `missingInLedger`: the rail moved money, and no posting says so.
 * - `missingOutside`: a posting says that money moved, and the rail knows nothing of it.
 * - `amountDiffers`, `assetDiffers`: both know it, with another amount or in another asset.
 * - `stateDiffers`: it was posted, and the rail says that it failed, is not done, or is not known.
 * - `duplicate`: one movement was posted twice, or listed twice.
 *
 * @category models
 * @since 0.1.0
 */
export const Problem = Schema.Literals([
  "missingInLedger",
  "missingOutside",
  "amountDiffers",
  "assetDiffers",
  "stateDiffers",
  "duplicate",
])
/** @since 0.1.0 */
export type Problem = typeof Problem.Type

/**
 * Which way money moved: into the market, or out of it.
 *
 * @category models
 * @since 0.1.0
 */
export const Direction = Schema.Literals(["in", "out"])
/** @since 0.1.0 */
export type Direction = typeof Direction.Type

/**
 * One thing that does not agree. Amounts are in smallest units, above zero whatever the direction. `sequences` are the ledger's
 * entries that are concerned; `ledger` and `outside` say what each side has, `null` where it has nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Drift = Schema.Struct({
  problem: Problem,
  direction: Direction,
  externalId: Schema.NullOr(Schema.String),
  idempotencyKey: Schema.String,
  sequences: Schema.Array(Amount),
  ledger: Schema.NullOr(Schema.Struct({ asset: AssetCode, amount: Amount })),
  outside: Schema.NullOr(Schema.Struct({ asset: AssetCode, amount: Amount, state: Schema.String })),
})
/** @since 0.1.0 */
export type Drift = typeof Drift.Type

/**
 * The ledger's side: an entry on the account of a rail, counted as the rail does. `movement` is the rail's id that it links;
 * `reverses` the entry that it takes back, and then it cancels that one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Booked {
  readonly sequence: bigint
  readonly direction: Direction
  readonly movement: string | null
  readonly idempotencyKey: string
  readonly asset: AssetCode
  readonly amount: bigint
  readonly reverses: bigint | null
}

/**
 * The rail's side: a movement, its direction, and the keys under which a posting of it may stand where it has no link.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listed {
  readonly direction: Direction
  readonly movement: Movement
  readonly keys: ReadonlyArray<string>
}

const inLedger = (booked: Booked | undefined): Drift["ledger"] =>
  booked === undefined ? null : { asset: booked.asset, amount: booked.amount }

const outside = (listed: Listed | undefined): Drift["outside"] => {
  if (listed === undefined) return null
  const { amount, asset, state } = listed.movement
  return { asset, amount, state: state._tag }
}

const drift = (problem: Problem, booked: ReadonlyArray<Booked>, listed: Listed | undefined): ReadonlyArray<Drift> => {
  const [first] = booked
  const direction = first?.direction ?? listed?.direction
  if (direction === undefined) return []
  return [
    {
      problem,
      direction,
      externalId: listed?.movement.externalId ?? first?.movement ?? null,
      idempotencyKey: listed?.movement.idempotencyKey ?? first?.idempotencyKey ?? "",
      sequences: booked.map(({ sequence }) => sequence),
      ledger: inLedger(first),
      outside: outside(listed),
    },
  ]
}

/**
 * Whether a posting and a movement say the same, as far as both are the same movement at all.
 *
 * @category rules
 * @since 0.1.0
 */
export const agree = (booked: Booked, { direction, movement }: Listed): boolean =>
  movement.state._tag === "Succeeded" &&
  booked.direction === direction &&
  booked.asset === movement.asset &&
  booked.amount === movement.amount

/** What is wrong with everything that is known of one movement. */
const judge = ({ booked, listed }: Group): ReadonlyArray<Drift> => {
  const succeeded = listed.filter(({ movement }) => movement.state._tag === "Succeeded")
  const [first, ...others] = succeeded
  const again = others.flatMap((each) => drift("duplicate", booked, each))
  if (listed.length === 0) return booked.flatMap((each) => drift("missingOutside", [each], undefined))
  if (first === undefined) return booked.length === 0 ? [] : drift("stateDiffers", booked, listed[0])
  const best = booked.find((each) => agree(each, first)) ?? booked[0]
  if (best === undefined) return [...drift("missingInLedger", [], first), ...again]
  const twice = booked.length > 1 ? drift("duplicate", booked, first) : []
  const { asset, amount } = first.movement
  if (best.asset !== asset) return [...drift("assetDiffers", [best], first), ...twice, ...again]
  if (best.amount !== amount) return [...drift("amountDiffers", [best], first), ...twice, ...again]
  return [...twice, ...again]
}

/**
 * Compares everything that the ledger and a rail have. An entry that was reversed counts as not there. A movement that the rail
 * says failed, waits or is not known should not be posted; one that succeeded should be posted once. Nothing is changed.
 *
 * @category rules
 * @since 0.1.0
 */
export const between = (booked: ReadonlyArray<Booked>, listed: ReadonlyArray<Listed>): ReadonlyArray<Drift> =>
  groups(booked, listed).flatMap(judge)

const said: Readonly<Record<Problem, string>> = {
  missingInLedger: "the rail moved it, and no posting says so. Find out whose it is, and post it",
  missingOutside:
    "it was posted, and the rail knows nothing of it. Ask the rail, and reverse the posting if it never was",
  amountDiffers: "the amounts differ. Ask the rail, and post the difference",
  assetDiffers: "the assets differ. Ask the rail, reverse the posting, and post it in the right asset",
  stateDiffers:
    "it was posted, and the rail does not say that it succeeded. Ask the rail, and reverse the posting if it failed",
  duplicate: "it is there more than once. Keep one, and reverse the others",
}

const side = (of: { readonly asset: string; readonly amount: bigint } | null): string =>
  of === null ? "nothing" : `${of.amount} ${of.asset}`

/**
 * Says in one line what does not agree, and what to do. Amounts are in smallest units.
 *
 * @category getters
 * @since 0.1.0
 */
export const describe = (drift: Drift): string => {
  const entries = drift.sequences.length === 0 ? "" : `, entry ${drift.sequences.join(" and ")}`
  const state = drift.outside === null ? "" : ` (${drift.outside.state})`
  const both = `Ledger: ${side(drift.ledger)}; rail: ${side(drift.outside)}${state}`
  return `${drift.direction} ${drift.externalId ?? drift.idempotencyKey}${entries}: ${said[drift.problem]}. ${both}.`
}

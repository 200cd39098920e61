import type { Booked, Direction, Listed } from "../Drift.ts"
import { plain } from "./PayoutEvidence.ts"

/** Everything that is known of one movement. */
export interface Group {
  readonly booked: Array<Booked>
  readonly listed: Array<Listed>
}

const idName = (direction: Direction, id: string): string => `${direction} id ${id}`
const keyName = (direction: Direction, key: string): string => `${direction} key ${key}`

/** Under which name an entry says which movement it is: the rail's id where it links one, and else its own key. */
export const bookedName = ({ direction, idempotencyKey, movement }: Booked): string =>
  movement === null ? keyName(direction, idempotencyKey) : idName(direction, movement)

/** All names under which an entry may say that it is this movement. A payout links the rail's id as a plain text. */
export const listedNames = ({ direction, keys, movement }: Listed): ReadonlyArray<string> => [
  ...new Set([movement.externalId, plain(movement.externalId)].map((id) => idName(direction, id))),
  ...new Set([movement.idempotencyKey, ...keys].map((key) => keyName(direction, key))),
]

/** The entries that were not reversed, without the reversals. */
const standing = (booked: ReadonlyArray<Booked>): ReadonlyArray<Booked> => {
  const known = new Set(booked.map(({ sequence }) => sequence))
  const gone = new Set<bigint>()
  for (const { reverses, sequence } of booked) {
    if (reverses !== null && known.has(reverses)) gone.add(reverses).add(sequence)
  }
  return booked.filter(({ sequence }) => !gone.has(sequence))
}

/** Puts together what has a name in common. */
export const groups = (booked: ReadonlyArray<Booked>, listed: ReadonlyArray<Listed>): ReadonlyArray<Group> => {
  const byName = new Map<string, Group>()
  const all = new Set<Group>()
  const groupOf = (names: ReadonlyArray<string>): Group => {
    const known = [...new Set(names.flatMap((name) => byName.get(name) ?? []))]
    const [group = { booked: [], listed: [] }, ...others] = known
    all.add(group)
    for (const other of others) {
      group.booked.push(...other.booked)
      group.listed.push(...other.listed)
      all.delete(other)
      for (const [name, each] of byName) if (each === other) byName.set(name, group)
    }
    for (const name of names) byName.set(name, group)
    return group
  }
  for (const each of listed) groupOf(listedNames(each)).listed.push(each)
  for (const each of standing(booked)) groupOf([bookedName(each)]).booked.push(each)
  return [...all]
}

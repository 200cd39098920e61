/**
 * Watches the keys by which a market signs its tickets: which are new, which are gone, and which are another under the same name.
 *
 * @since 0.1.0
 */
import type { PublishedKey } from "@guildhall/core/KeyRing"

/**
 * The public keys of a market's tickets, by id.
 *
 * @category models
 * @since 0.1.0
 */
export type Known = ReadonlyMap<string, string>

/**
 * What changed, by the ids of keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly added: ReadonlyArray<string>
  readonly gone: ReadonlyArray<string>
  readonly swapped: ReadonlyArray<string>
}

/**
 * The keys of tickets among those that a market publishes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (keys: ReadonlyArray<PublishedKey>): Known =>
  new Map(keys.flatMap(({ id, publicKey, purpose }) => (purpose === "ticket" ? [[id, publicKey] as const] : [])))

/**
 * How the keys differ from those before. A market that keeps to its word only adds keys: what it signed stays checkable.
 *
 * @category combinators
 * @since 0.1.0
 */
export const compare = (before: Known, now: Known): Change => ({
  added: [...now.keys()].filter((id) => !before.has(id)),
  gone: [...before.keys()].filter((id) => !now.has(id)),
  swapped: [...now].filter(([id, key]) => before.has(id) && before.get(id) !== key).map(([id]) => id),
})

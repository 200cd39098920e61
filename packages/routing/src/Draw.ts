/**
 * Lots drawn from a seed: how a policy breaks ties at random and can still be computed again. The lot of an instance
 * depends on the seed and its own id only, so it does not matter in which order candidates come.
 *
 * @since 0.1.0
 */

/**
 * The finaliser of MurmurHash3: each bit of the input moves about half of the bits of the output.
 *
 * @category rules
 * @since 0.1.0
 */
export const mix = (value: number): number => {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) | 0
}

/**
 * The part of a lot that depends on the instance: 32 bits of its id (FNV-1a over UTF-16 units). Keep it with the
 * instance; {@link lot} is then a few operations.
 *
 * @category rules
 * @since 0.1.0
 */
export const ofId = (id: string): number => {
  let h = 0x811c9dc5
  for (let at = 0; at < id.length; at++) h = Math.imul(h ^ id.charCodeAt(at), 0x01000193)
  return mix(h)
}

/**
 * The part of a lot that depends on the seed, a safe integer.
 *
 * @category rules
 * @since 0.1.0
 */
export const ofSeed = (seed: number): number => mix(seed ^ mix(Math.floor(seed / 4_294_967_296) + 0x9e3779b9))

/**
 * The lot: from 0 to 2³²−1, the lowest wins.
 *
 * **Example** (A lot does not change)
 *
 * ```ts
 * import { Draw } from "@guildhall/routing"
 *
 * const lot = Draw.lot(Draw.ofSeed(7), Draw.ofId("ins_a"))
 * lot === Draw.lot(Draw.ofSeed(7), Draw.ofId("ins_a")) // => true
 * lot === Draw.lot(Draw.ofSeed(8), Draw.ofId("ins_a")) // => false
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const lot = (ofSeed: number, ofId: number): number => mix(ofSeed ^ ofId) >>> 0

/**
 * A number from 0 to 1 (1 excluded) that the seed gives to a name: how a policy tosses a coin for a request as a whole.
 *
 * **Example** (Three requests of ten)
 *
 * ```ts
 * import { Draw } from "@guildhall/routing"
 *
 * const seeds = Array.from({ length: 1_000 }, (_, seed) => seed)
 * seeds.filter((seed) => Draw.chance(seed, "guaranteed") < 0.3).length // => 314
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const chance = (seed: number, name: string): number => lot(ofSeed(seed), ofId(name)) / 4_294_967_296

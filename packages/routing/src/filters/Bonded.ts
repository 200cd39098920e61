/**
 * For a market in which only bonded devices serve: an active bond stands for the instance.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import { type Filter, reading, RoutingFilter } from "../Filter.ts"

/** @category filters @since 0.1.0 */
export const bonded: Filter = (_, { rating }) => (rating?.bonded === true ? undefined : "not_bonded")

/**
 * The part by which a definition names the filter: `{ use: "Bonded" }`. It has no settings. A
 * market that has no chain leaves it out; one whose bonds are switched on later has it from the start: until then it stops nobody,
 * and instances are served by stake and settlement alone.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingFilter, {
  name: "Bonded",
  settings: Parts.NoSettings,
  make: () => reading([], bonded),
})

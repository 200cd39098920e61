/**
 * For a market that rewards what is served: nobody is served by an instance of their own.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import { type Filter, reading, RoutingFilter } from "../Filter.ts"

/** @category filters @since 0.1.0 */
export const ownMember: Filter = ({ features }, { instance }) =>
  features?.buyer !== undefined && features.buyer.member === instance.memberId ? "own_instance" : undefined

/**
 * The part by which a definition names the filter: `{ use: "OwnMember" }`. It has no settings.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingFilter, {
  name: "OwnMember",
  settings: Parts.NoSettings,
  make: () => reading(["buyer"], ownMember),
})

/**
 * Whether the endpoint's host leads to addresses that the market may call, and to no others.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Verdict } from "@guildhall/core/EntryVerification"
import * as PublicAddress from "@guildhall/core/PublicAddress"
import { type Check, doesNotApply, failed, passed } from "../Check.ts"
import { EndpointProbe, type Route } from "../EndpointProbe.ts"

/**
 * The verdict. One address that is not public is enough to fail: which one a connection takes is not the market's choice.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (route: Route): Verdict => {
  if (route._tag === "None") return doesNotApply(route.why)
  if (route._tag === "Unknown") {
    return failed(
      "entry_name_unknown",
      `"${route.host}" cannot be resolved: ${route.detail}.`,
      "Correct the host in the endpoint's URL, or its DNS record, and wait until the record is known everywhere.",
    )
  }
  const { addresses, host, isPrivateAllowed } = route
  const hidden = addresses.filter((address) => !PublicAddress.isPublic(address))
  const led = addresses.length === 1 && addresses[0] === host ? host : `"${host}" leads to ${addresses.join(", ")}`
  if (hidden.length === 0 || isPrivateAllowed) return passed(`${led}.`)
  const which = `${hidden.join(", ")} ${hidden.length === 1 ? "is" : "are"} not on the public internet`
  return failed(
    "entry_not_public",
    `${led}: ${which}.`,
    "Let the host lead to public addresses only, or join over a tunnel, which needs no address.",
  )
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "resolve",
  run: ({ instance }) => Effect.flatMap(EndpointProbe, (probe) => Effect.map(probe.look(instance), judge)),
}

import type { RoutingPolicy } from "../RoutingPolicy.ts"

/** What policies read together, for what is made of them; nobody knows where one of them does not say. */
export const ofAll = (policies: ReadonlyArray<RoutingPolicy>): Pick<RoutingPolicy, "reads"> => {
  const known = policies.flatMap(({ reads }) => (reads === undefined ? [] : [reads]))
  return known.length < policies.length ? {} : { reads: [...new Set(known.flat())] }
}

/** What the first of them that promises guaranteed tiers a share promises, for what is made of them. */
export const promised = (policies: ReadonlyArray<RoutingPolicy>): Pick<RoutingPolicy, "guaranteedPercent"> => {
  const one = policies.find(({ guaranteedPercent }) => guaranteedPercent !== undefined)
  return one === undefined ? {} : { guaranteedPercent: one.guaranteedPercent }
}

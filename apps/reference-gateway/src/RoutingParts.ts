/**
 * What a definition may name to route by, for the gateway and for the commands that look back on it.
 */
import type { Part } from "@guildhall/core/Parts"
import * as combinators from "@guildhall/routing/combinators"
import { Bonded, HealthFloor, OwnMember, ThroughputFloor } from "@guildhall/routing/filters"
import * as policies from "@guildhall/routing/policies"

/** Every part that routing is made of: policies, what combines them, and the filters that a market may add. */
export const routingParts: ReadonlyArray<Part> = [
  ...Object.values(policies).map(({ part }) => part),
  ...Object.values(combinators).map(({ part }) => part),
  Bonded.part,
  HealthFloor.part,
  OwnMember.part,
  ThroughputFloor.part,
]

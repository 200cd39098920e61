/**
 * The policies that are measured, each with its usual settings.
 */
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { LeastLoaded } from "@guildhall/routing/policies"

export const policies: ReadonlyArray<RoutingPolicy> = [LeastLoaded.leastLoaded]
